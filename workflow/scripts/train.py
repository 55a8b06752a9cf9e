"""Train one network, or take the weights that the config names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.core.identity import Identity
    from faithcam.models.obtain import obtain

    obtain(
        Identity.of(snakemake.wildcards),
        Path(snakemake.input.manifest),
        settings,
        Path(snakemake.output.weights).parent,
        trained=snakemake.input.get("trained"),
        imagenet=snakemake.input.get("imagenet"),
        code=snakemake.params.code,
    )
