"""Measure networks and write down their facts: the command behind `make measure`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running.command import run

if __name__ == "__main__":
    run("faithcam.running.measuring", sys.argv[1:])
