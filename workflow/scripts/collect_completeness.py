"""Set the sum of every map beside the score it explains."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.maps.tables import COMPLETENESS
    from faithcam.results import io as tables
    from faithcam.running import collect

    tables.write(snakemake.output[0], collect.completeness(snakemake.input), COMPLETENESS)
