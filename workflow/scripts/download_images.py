"""Download a data set and write down where it is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam.data import medmnist

    definition = settings["definition"]
    folder = Path(settings["resources"]) / "medmnist"
    medmnist.record(definition["flag"], definition["size"], folder, Path(snakemake.output[0]))
