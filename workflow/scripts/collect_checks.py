"""Collect the outcomes of all checks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job
from faithcam.results.tables import CHECKS

with job(snakemake):
    from faithcam.results import io as tables
    from faithcam.running import collect

    tables.write(snakemake.output[0], collect.checks(snakemake.input), CHECKS)
