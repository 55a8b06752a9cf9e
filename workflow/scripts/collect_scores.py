"""Collect all scores in one table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.metrics.tables import SCORES
    from faithcam.results import io as tables
    from faithcam.running import collect

    evaluations = tables.read(snakemake.input.evaluations)
    table = collect.scores(snakemake.input.scores, evaluations, snakemake.params.unscored)
    tables.write(snakemake.output[0], table, SCORES)
