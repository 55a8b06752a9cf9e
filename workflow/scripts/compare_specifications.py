"""Compare HiResCAM with Grad-CAM in all declared specifications of the metrics."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations
    from faithcam.validity.multiverse import specifications
    from faithcam.validity.tables import MULTIVERSE

    models = tables.read(snakemake.input.models)
    evaluations = Evaluations(tables.read(snakemake.input.evaluations))
    table = specifications(snakemake.input.scores, models, evaluations, settings)
    tables.write(snakemake.output[0], table, MULTIVERSE)
