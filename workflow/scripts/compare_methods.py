"""Test the paired differences between methods."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations
    from faithcam.statistics import compare, subgroups
    from faithcam.statistics.tables import STATISTICS, SUBGROUPS

    models = tables.read(snakemake.input.models)
    evaluations = Evaluations(tables.read(snakemake.input.evaluations))
    images = {Path(file).parent.name: tables.read(file) for file in snakemake.input.images}
    asked = (snakemake.input.scores, models, evaluations, settings, images)
    tables.write(snakemake.output.statistics, compare.compute(*asked), STATISTICS)
    tables.write(snakemake.output.subgroups, subgroups.compute(*asked), SUBGROUPS)
