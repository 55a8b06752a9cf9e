"""Score the candidates of one shard by all metrics."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.running.concordance import score_candidates

    table = score_candidates(snakemake.wildcards, snakemake.input, settings)
    tables.write(snakemake.output[0], table, table.schema)
