"""Score one shard by AOPC."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.metrics.aopc import score_shard
    from faithcam.shard import ShardMaps, open_shard

    shard = open_shard(snakemake.wildcards, snakemake.input, settings)
    maps = ShardMaps(shard, settings["methods"], snakemake.input.maps)
    scores, curves, checks = score_shard(shard, maps, settings)
    tables.write(snakemake.output.scores[0], scores, tables.SCORES)
    tables.write(snakemake.output.curves[0], curves, curves.schema)
    tables.write(snakemake.output.checks[0], checks, tables.CHECKS)
