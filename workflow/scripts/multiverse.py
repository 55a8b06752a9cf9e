"""Score one shard: AOPC in all declared specifications."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam import tables
    from faithcam.metrics.multiverse import score_shard
    from faithcam.shard import open_shard

    shard = open_shard(snakemake.wildcards, snakemake.input, settings)
    scores = score_shard(shard, settings)
    tables.write(snakemake.output.scores[0], scores, tables.SCORES)
