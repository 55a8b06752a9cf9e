"""Download a data set and write down where it is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.data.fetch import images as fetching

    fetching.record(settings["definition"], settings["resources"], Path(snakemake.output[0]))
