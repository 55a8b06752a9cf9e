"""Average the AOPC curves of every model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.metrics.tables import CURVES
    from faithcam.results import io as tables
    from faithcam.running import collect

    tables.write(snakemake.output[0], collect.curves(snakemake.input), CURVES)
