"""Write the report, and its answer as plain text."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.report.page import write
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations

    write(
        snakemake.input,
        Evaluations(tables.read(snakemake.input.evaluations)),
        settings,
        snakemake.params.captions,
        snakemake.output.report,
        snakemake.output.answer,
    )
