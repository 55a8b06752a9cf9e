"""Draw the figures of one data set that need tables alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.figures.draw import draw_all
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations

    stage_tables = {name: tables.read(path) for name, path in snakemake.input.items()}
    evaluations = Evaluations(stage_tables.pop("evaluations"))
    draw_all(snakemake.wildcards.dataset, stage_tables, evaluations, settings, snakemake.output)
