"""Print what there is: ``python -m faithcam``."""

import sys

from faithcam.core.errors import FaithcamError
from faithcam.running.overview import overview

if __name__ == "__main__":
    try:
        print(overview())
    except FaithcamError as error:  # of an installed package's part
        sys.exit(f"error: {error}")
