"""What there is: ``python -m faithcam``; with a command, ``merge``, say, work on finished runs."""

import sys

from faithcam.core.errors import FaithcamError

if __name__ == "__main__":
    if len(sys.argv) > 1:
        from faithcam.running.merging.command import main

        sys.exit(main(sys.argv[1:]))
    from faithcam.running.overview import overview

    try:
        print(overview())
    except FaithcamError as error:  # of an installed package's part
        sys.exit(f"error: {error}")
