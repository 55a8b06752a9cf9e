"""Draw the figures of one data set that need tables alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.declared import Evaluations
    from faithcam.figures.draw import draw_all

    found = {name: tables.read(path) for name, path in snakemake.input.items()}
    evaluations = Evaluations(found.pop("evaluations"))
    draw_all(snakemake.wildcards.dataset, found, evaluations, settings, snakemake.output)
