"""Download ImageNet weights and write down where they are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.models import fetching

    fetching.record(
        snakemake.wildcards.architecture, Path(settings["resources"]), Path(snakemake.output[0])
    )
