"""Collect example cases for the report's browser."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import cases

    cases.write(snakemake.output[0], cases.collect(snakemake.input, settings))
