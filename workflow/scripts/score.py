"""Score one shard by the metric that the rule is named like."""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.shard import ShardMaps, open_shard

    metric = import_module(f"faithcam.metrics.{snakemake.rule}")
    shard = open_shard(snakemake.wildcards, snakemake.input, settings)
    maps = ShardMaps(shard, settings["methods"], snakemake.input.maps)
    scores = metric.score_shard(shard, maps, settings)
    tables.write(snakemake.output.scores[0], scores, tables.SCORES)
