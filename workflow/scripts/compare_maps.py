"""Compare maps with the truth, over networks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.statistics import agreement
    from faithcam.statistics.tables import AGREEMENT

    images = {Path(file).parent.name: tables.read(file) for file in snakemake.input.images}
    statistics = tables.read(snakemake.input.statistics)
    table = agreement.compute(statistics, settings, snakemake.input.scores, images)
    tables.write(snakemake.output[0], table, AGREEMENT)
