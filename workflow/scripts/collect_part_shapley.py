"""Collect what the parts of all images contribute in one table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.metrics.tables import PART_SHAPLEY
    from faithcam.results import io as tables
    from faithcam.running import collect

    tables.write(snakemake.output[0], collect.part_shapley(snakemake.input), PART_SHAPLEY)
