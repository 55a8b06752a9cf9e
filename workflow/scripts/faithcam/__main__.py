"""Print what there is: ``python -m faithcam``."""

from faithcam.running.overview import overview

if __name__ == "__main__":
    print(overview())
