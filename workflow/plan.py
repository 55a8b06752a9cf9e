"""Print what an experiment will take: the command behind `make plan`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running.command import run

if __name__ == "__main__":
    run("faithcam.running.plan", sys.argv[1:])
