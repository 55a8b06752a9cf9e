"""Draw example maps of one network beside the truth."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake):
    from faithcam.figures.truth_examples import draw_stored

    files, params = snakemake.input, snakemake.params
    folder = Path(files.manifest).parent
    named = (params.estimand, params.title)
    draw_stored(folder, files.truth, files.maps, *named, snakemake.output[0])
