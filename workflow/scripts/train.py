"""Train one network, or take the weights that the config names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faithcam.runtime import job

with job(snakemake) as settings:
    from faithcam.data import store
    from faithcam.identity import Identity
    from faithcam.models.train import obtain

    # whether there are as many images as shall be explained is known once they are split: say it
    # before hours of training, which does not depend on it (so it is no parameter of the rule)
    config, dataset = snakemake.config, snakemake.wildcards.dataset
    own = config["dataset_definitions"][dataset]
    count = own.get("explained_images", config["explained_images"])
    images = store.open_dataset(Path(snakemake.input.manifest).parent)
    store.explained_images(images, count, config["seed"], own.get("explained_split", "test"))
    obtain(
        Identity.of(snakemake.wildcards),
        Path(snakemake.input.manifest),
        settings,
        Path(snakemake.output.weights).parent,
        trained=snakemake.input.get("trained"),
        imagenet=snakemake.input.get("imagenet"),
        code=snakemake.params.code,
    )
