"""Print what an experiment will take: the command behind `make plan`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.errors import FaithcamError

try:
    from faithcam.plan import main
except FaithcamError as error:  # a user's own file cannot be read
    sys.exit(f"error: {error}")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
