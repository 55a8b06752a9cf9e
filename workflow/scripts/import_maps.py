"""Take in the maps of one shard that were made elsewhere."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.running.importing import imported
    from faithcam.running.shard import open_shard

    shard = open_shard(snakemake.wildcards, snakemake.input, settings)
    given = Path(snakemake.input.given)
    table = imported(shard, snakemake.wildcards.method, given, settings)
    tables.write(snakemake.output[0], table, table.schema)
