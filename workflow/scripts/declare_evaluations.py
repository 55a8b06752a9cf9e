"""Declare everything that is scored."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.experiment.evaluations import Plan
    from faithcam.metrics.tables import EVALUATIONS
    from faithcam.results import io as tables

    tables.write(snakemake.output[0], Plan(settings).table(), EVALUATIONS)
