"""Draw what the parts of images contribute, over all data sets where it is known."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.figures import part_shapley
    from faithcam.results import io as tables

    parts, models = tables.read(snakemake.input.part_shapley), tables.read(snakemake.input.models)
    part_shapley.draw(parts, models, settings, snakemake.output[0])
