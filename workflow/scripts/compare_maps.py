"""Compare maps with the truth, over networks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.statistics import agreement
    from faithcam.statistics.tables import AGREEMENT

    table = agreement.compute(tables.read(snakemake.input[0]), settings)
    tables.write(snakemake.output[0], table, AGREEMENT)
