"""Draw the figures of one data set that show agreement and concordance with the truth."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.figures.truth import draw_all
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations

    draw_all(
        snakemake.wildcards.dataset,
        snakemake.input,
        Evaluations(tables.read(snakemake.input.evaluations)),
        settings,
        snakemake.output,
    )
