"""Collect example cases for the report's browser."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.report import cases
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations

    evaluations = Evaluations(tables.read(snakemake.input.evaluations))
    cases.write(snakemake.output[0], cases.collect(snakemake.input, evaluations, settings))
