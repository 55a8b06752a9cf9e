"""Draw example maps of one network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake):
    from faithcam.figures.examples import draw_first_images

    draw_first_images(Path(snakemake.input.manifest), snakemake.input.maps, snakemake.output[0])
