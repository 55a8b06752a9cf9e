"""Model parameter randomisation test: how like its map is a network's with new weights.

Source: arXiv 1810.03292: layers are re-initialised from the last to the first, and a map that stays
the same does not depend on what they learned. Likeness is Spearman's rank correlation over native
cells. All images and methods of a network share its random weights.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.explain import maps_of
from faithcam.metrics.facts import Metric
from faithcam.metrics.max_sensitivity import ranks, spearman
from faithcam.metrics.planning import STANDARD, Config, Model
from faithcam.metrics.randomised import cascade
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses


def passes(config: Config, model: Model) -> int:
    """Return the passes per image, at most: the network and every stage of randomisation."""
    return int(config["mprt"]["stages"]) + 1


METRIC = Metric(
    "MPRT",
    larger_is_better=False,
    source="arXiv 1810.03292",
    range=(-1, 1),
    passes=passes,
    primary="stage=mean",
    maps="own",
    randomised=lambda config: int(config["mprt"]["stages"]),
    rows=5,
)


def explained(shard: Shard, batch: Batch, images: Tensor, methods: list[str]) -> dict[str, Tensor]:
    """Return raw maps of images for a batch's predicted classes, centred logit: (B, h, w) each."""
    A = shard.model.activations(images)
    given = shard.given(batch, methods)
    return maps_of(shard.model, A, batch.predicted, methods, "centred", given)


def randomised_shards(shard: Shard, stages: int) -> list[Shard]:
    """Return the shard with the network after each stage of randomisation.

    New layers are standardised over some images of the validation split, spread over all of it.
    """
    ids = shard.dataset.split("val")
    some = np.unique(np.linspace(0, len(ids) - 1, STANDARD).astype(int))
    images = shard.tensor(shard.dataset.images[ids[some]])
    networks = cascade(shard.model, shard.streams, stages, images)
    return [replace(shard, model=network) for network in networks]


def add_likeness(
    rows: ScoreRows,
    batch: Batch,
    reference: dict[str, Tensor],
    stages: list[dict[str, Tensor]],
    controls: list[str],
) -> None:
    """Add Spearman's correlation with the maps of every stage, and its mean over stages.

    Args:
        rows: of the metric.
        batch: of the images.
        reference: by method, the trained network's maps (B, h, w).
        stages: the same of each stage's network.
        controls: those of the methods of which the mean alone is wanted.
    """
    for method, raw in reference.items():
        ordered, status = ranks(raw), statuses(raw, "signed")
        alike = torch.stack([spearman(ordered, ranks(stage[method])) for stage in stages])
        rows.add(batch, "strict", "stage=mean", method, alike.mean(0), status)
        for number, values in enumerate(alike if method not in controls else (), 1):
            rows.add(batch, "strict", tables.setting(stage=number), method, values, status)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score the methods of a shard that depend on the network; maps that keep their ranks score 1.

    Args:
        shard: the model and its images.
        maps: names the methods.
        settings: the config's ``mprt`` and ``controls``.
    """
    rows = ScoreRows(shard, "mprt")
    randomised = randomised_shards(shard, settings["mprt"]["stages"])
    for batch in shard.batches():
        reference = explained(shard, batch, batch.images, maps.methods)
        stages = [explained(other, batch, batch.images, maps.methods) for other in randomised]
        add_likeness(rows, batch, reference, stages, settings["controls"])
    return rows.table()
