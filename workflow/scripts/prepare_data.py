"""Prepare the images of one data set."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.data.prepare import prepare, source_files

    prepare(
        snakemake.wildcards.dataset,
        settings["definition"],
        settings["seed"],
        [Path(file) for file in source_files(settings["definition"], settings["resources"])],
        Path(snakemake.output.manifest).parent,
        snakemake.input,
        settings["training_seed"],
    )
