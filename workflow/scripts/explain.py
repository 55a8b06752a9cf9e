"""Compute and check the maps of one shard."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job
from faithcam.results.tables import CHECKS

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.running import explaining as maps
    from faithcam.running.shard import open_shard

    shard = open_shard(snakemake.wildcards, snakemake.input, settings)
    maps_by_method, checks = maps.compute(shard, settings["methods"])
    for table, path in zip(maps_by_method.values(), snakemake.output.maps, strict=True):
        tables.write(path, table, table.schema)
    tables.write(snakemake.output.checks, checks, CHECKS)
