"""Measure networks of timm and write down their facts: the command behind `make timm`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.models.measure import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
