"""Compare the two maps within groups of images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations
    from faithcam.statistics import subgroups
    from faithcam.statistics.tables import SUBGROUPS

    models = tables.read(snakemake.input.models)
    evaluations = Evaluations(tables.read(snakemake.input.evaluations))
    groups = {Path(file).parent.name: tables.read(file) for file in snakemake.input.groups}
    table = subgroups.compute(snakemake.input.scores, models, evaluations, settings, groups)
    tables.write(snakemake.output[0], table, SUBGROUPS)
