"""Evaluate all models on their test images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.models import evaluate
    from faithcam.models.tables import MODELS
    from faithcam.results import io as tables
    from faithcam.running import provenance

    table = evaluate.models_table(
        # where these files are, which need not be in a folder named like the config's
        Path(snakemake.input.models[0]).parents[3],
        [tuple(model) for model in snakemake.params.planned],
        provenance.manifests(snakemake.input.manifests),
        settings["seed"],
        [tuple(model) for model in snakemake.params.present],
        snakemake.params.exempt,
    )
    tables.write(snakemake.output[0], table, MODELS)
