"""Print where the report is, and its answer: what make targets of whole runs end with."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running.command import run

if __name__ == "__main__":
    run("faithcam.running.ending", sys.argv[1:])
