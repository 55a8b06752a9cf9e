"""Read config files before Snakemake does, whose errors name no file (make targets call this)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running.command import run

if __name__ == "__main__":
    run("faithcam.experiment.config", sys.argv[1:])
