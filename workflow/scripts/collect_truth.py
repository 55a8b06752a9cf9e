"""Collect what cells contribute, and how well that foretells re-rendered images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.results import io as tables
    from faithcam.running import collected_truth
    from faithcam.truth.tables import ADMISSION, TRUTH

    table = collected_truth.contributions(snakemake.input.truth)
    tables.write(snakemake.output.truth, table, TRUTH)
    admission = collected_truth.admission(snakemake.input.admission)
    tables.write(snakemake.output.admission, admission, ADMISSION)
