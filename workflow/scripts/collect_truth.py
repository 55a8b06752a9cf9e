"""Collect what cells contribute, and how well that foretells re-rendered images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.results import io as tables
    from faithcam.running import collect
    from faithcam.truth.tables import ADMISSION, TRUTH

    tables.write(snakemake.output.truth, collect.truth(snakemake.input.truth), TRUTH)
    admission = collect.truth_admission(snakemake.input.admission)
    tables.write(snakemake.output.admission, admission, ADMISSION)
