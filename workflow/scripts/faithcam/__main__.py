"""``python -m faithcam``: what there is; with a command, ``merge``, say, work on finished runs."""

import sys

from faithcam.running.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
