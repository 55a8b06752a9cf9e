"""Score one shard by the metric that the rule is named like."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.running.scoring import score_shard

    results = score_shard(snakemake.wildcards, snakemake.input, settings)
    files = [*snakemake.output.scores, *snakemake.output.tables]
    for file, table in zip(files, results.values(), strict=True):
        tables.write(file, table, table.schema)
