"""Measure networks of timm and write down their facts: the command behind `make timm`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running.command import run

if __name__ == "__main__":
    run("faithcam.models.measure", sys.argv[1:])
