"""Draw the figures of one data set that need tables alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.figures.draw import draw_all

    draw_all(
        snakemake.wildcards.dataset,
        {name: tables.read(path) for name, path in snakemake.input.items()},
        settings,
        snakemake.output,
    )
