"""Draw the figures of one data set that need tables alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.figures.draw import draw_all
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations

    found = {name: tables.read(path) for name, path in snakemake.input.items()}
    evaluations = Evaluations(found.pop("evaluations"))
    draw_all(snakemake.wildcards.dataset, found, evaluations, settings, snakemake.output)
