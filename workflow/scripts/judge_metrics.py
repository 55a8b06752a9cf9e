"""Judge every metric by its controls, and in all declared specifications."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations
    from faithcam.validity.judge import judge
    from faithcam.validity.tables import MULTIVERSE, VALIDITY

    models = tables.read(snakemake.input.models)
    evaluations = Evaluations(tables.read(snakemake.input.evaluations))
    part_shapley = next(map(tables.read, snakemake.input.part_shapley), None)
    validity, multiverse = judge(
        snakemake.input.scores, models, evaluations, settings, part_shapley
    )
    tables.write(snakemake.output.validity, validity, VALIDITY)
    tables.write(snakemake.output.multiverse, multiverse, MULTIVERSE)
