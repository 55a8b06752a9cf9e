"""List the groups that the images of a user's CSV are in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.data import subgroups
    from faithcam.data.tables import SUBGROUPS_OF_IMAGES
    from faithcam.results import io as tables

    images = tables.read(snakemake.input.images)
    table = subgroups.of_images(settings["definition"], images, settings["fingerprint"])
    tables.write(snakemake.output[0], table, SUBGROUPS_OF_IMAGES)
