"""Score one shard: patch net, where the best order is known."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.metrics.patch_net import score_shard
    from faithcam.shard import open_shard

    shard = open_shard(snakemake.wildcards, snakemake.input, settings)
    scores, checks = score_shard(shard, settings)
    tables.write(snakemake.output.scores[0], scores, tables.SCORES)
    tables.write(snakemake.output.checks[0], checks, tables.CHECKS)
