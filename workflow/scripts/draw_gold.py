"""Draw what the parts of images contribute, over all data sets where it is known."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.figures import gold

    parts, models = tables.read(snakemake.input.gold), tables.read(snakemake.input.models)
    gold.draw(parts, models, settings, snakemake.output[0])
