"""Draw example maps of one network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.figures.examples import draw_stored

    folder = Path(snakemake.input.manifest).parent
    draw_stored(folder, snakemake.input.maps, snakemake.params.title, snakemake.output[0])
