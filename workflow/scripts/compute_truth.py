"""Compute what the cells of one shard's images contribute."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.running.truth import truth_of_shard

    results = truth_of_shard(snakemake.wildcards, snakemake.input, settings)
    for name, table in results.items():
        tables.write(snakemake.output[name], table, table.schema)
