"""Test the paired differences between methods."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations
    from faithcam.statistics import compare
    from faithcam.statistics.tables import STATISTICS

    models = tables.read(snakemake.input.models)
    evaluations = Evaluations(tables.read(snakemake.input.evaluations))
    images = {Path(file).parent.name: tables.read(file) for file in snakemake.input.images}
    table = compare.compute(snakemake.input.scores, models, evaluations, settings, images)
    tables.write(snakemake.output[0], table, STATISTICS)
