"""Average the AOPC curves of every model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake):
    from faithcam import collect, tables
    from faithcam.metrics.tables import CURVES

    tables.write(snakemake.output[0], collect.curves(snakemake.input), CURVES)
