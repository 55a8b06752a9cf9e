"""Write the report, and its answer as plain text."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.declared import Evaluations
    from faithcam.report import write

    write(
        snakemake.input,
        Evaluations(tables.read(snakemake.input.evaluations)),
        settings,
        snakemake.params.captions,
        snakemake.output.report,
        snakemake.output.answer,
    )
