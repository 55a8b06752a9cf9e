"""Set the sum of every map beside the score it explains."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake):
    from faithcam import collect, tables
    from faithcam.cams.tables import COMPLETENESS

    tables.write(snakemake.output[0], collect.completeness(snakemake.input), COMPLETENESS)
