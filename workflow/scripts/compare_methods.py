"""Test the paired differences between methods."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import statistics, tables

    models = tables.read(snakemake.input.models)
    table = statistics.compute(snakemake.input.scores, models, settings)
    tables.write(snakemake.output[0], table, tables.STATISTICS)
