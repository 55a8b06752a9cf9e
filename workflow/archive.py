"""Archive a finished run, or verify one: the command behind `make archive` and `make verify`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.archive import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
