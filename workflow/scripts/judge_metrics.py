"""Judge every metric by its concordance with the truth."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.results import io as tables
    from faithcam.results.declared import Evaluations
    from faithcam.validity.judgement import judge
    from faithcam.validity.tables import CONCORDANCE, VERDICTS

    files = snakemake.input
    evaluations = Evaluations(tables.read(files.evaluations))
    images = {Path(file).parent.name: tables.read(file) for file in files.images}
    models = tables.read(files.models)
    concordance, verdicts = judge(
        files.scores, files.candidates, models, evaluations, settings, images
    )
    tables.write(snakemake.output.concordance, concordance, CONCORDANCE)
    tables.write(snakemake.output.validity, verdicts, VERDICTS)
