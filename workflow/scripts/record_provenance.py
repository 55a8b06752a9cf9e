"""Write down what was run, with what and where."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.core.runtime import job

with job(snakemake) as settings:
    from faithcam.running import provenance

    path, *facts = snakemake.output
    provenance.write_texts(facts, snakemake.params.own_facts.values())
    provenance.write(
        path,
        provenance.record(
            settings,
            provenance.manifests(snakemake.input.manifests),
            snakemake.params.networks,
            snakemake.input.tables,
            snakemake.params.plugins,
        ),
    )
