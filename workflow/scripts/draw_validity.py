"""Draw the figures of one data set that show controls."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.declared import Evaluations
    from faithcam.figures.validity import draw_all

    draw_all(
        snakemake.params.dataset,
        snakemake.input,
        Evaluations(tables.read(snakemake.input.evaluations)),
        settings,
        snakemake.output,
    )
