"""Model parameter randomisation test: how like its map is a network's with new weights.

Source: arXiv 1810.03292: layers are re-initialised from the last to the first, and a map that stays
the same does not depend on what they learned. Likeness is Spearman's rank correlation over native
cells. All images and methods of a network share its random weights, which are drawn twice: once for
the score, once for the noise floor.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.explain import maps_of, shared_of
from faithcam.metrics.facts import Metric
from faithcam.metrics.max_sensitivity import ranks, spearman
from faithcam.metrics.planning import (
    STANDARD,
    STREAMS,
    Config,
    Model,
    map_passes,
    randomised_networks,
)
from faithcam.metrics.randomised import cascade
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses


def passes(config: Config, model: Model) -> int:
    """Return the passes per image: of the network and every stage of both randomisations."""
    return (1 + randomised_networks(config)) * map_passes(config, model)


METRIC = Metric(
    "MPRT",
    larger_is_better=False,
    source="arXiv 1810.03292",
    range=(-1, 1),
    passes=passes,
    primary="stage=mean;stream=0",
    maps="networks",
    randomised=randomised_networks,
    drawn_per_network=True,
    rows=6,
)


def explained(shard: Shard, batch: Batch, images: Tensor, methods: list[str]) -> dict[str, Tensor]:
    """Return raw maps of images for a batch's predicted classes, centred logit: (B, h, w) each."""
    A = shard.model.activations(images)
    given = {**shard.given(batch, methods), "model": shard.model, "activations": A}
    given |= shared_of(methods, given)
    return maps_of(shard.model, A, batch.predicted, methods, "centred", given)


@torch.inference_mode(False)  # some methods need gradients of the new networks
def randomised_shards(shard: Shard, stages: int) -> list[list[Shard]]:
    """Return, for each stream, the shard with the network after each stage of randomisation.

    New layers are standardised over some images of the validation split, spread over all of it.
    """
    ids = shard.dataset.split("val")
    some = np.unique(np.linspace(0, len(ids) - 1, STANDARD).astype(int))
    images = shard.tensor(shard.dataset.images[ids[some]])
    return [
        [
            replace(shard, model=network)
            for network in cascade(shard.model, shard.streams, stages, images, stream)
        ]
        for stream in STREAMS
    ]


def add_likeness(
    rows: ScoreRows,
    batch: Batch,
    found: list[list[dict[str, Tensor]]],
    controls: list[str],
) -> None:
    """Add the mean over stages of Spearman's correlation with their maps, and that of every stage.

    The latter of the first stream alone.

    Args:
        rows: of the metric.
        batch: of the images.
        found: for each stream, the trained network's maps and those of each stage's network, by
            method, (B, h, w).
        controls: those of the methods of which the mean alone is wanted.
    """
    for stream, (reference, *stages) in zip(STREAMS, found, strict=True):
        for method, raw in reference.items():
            ordered, status = ranks(raw), statuses(raw, "signed")
            alike = torch.stack([spearman(ordered, ranks(stage[method])) for stage in stages])
            setting = tables.setting(stage="mean", stream=stream)
            rows.add(batch, "strict", setting, method, alike.mean(0), status)
            if stream or method in controls:
                continue
            for number, values in enumerate(alike, 1):
                setting = tables.setting(stage=number, stream=stream)
                rows.add(batch, "strict", setting, method, values, status)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard; a map that keeps its ranks whatever the weights scores 1.

    Args:
        shard: the model and its images.
        maps: names the methods.
        settings: the config's ``mprt`` and ``controls``.
    """
    rows = ScoreRows(shard, "mprt")
    randomised = randomised_shards(shard, settings["mprt"]["stages"])
    for batch in shard.batches():
        reference = explained(shard, batch, batch.images, maps.methods)
        found = [
            [reference, *(explained(s, batch, batch.images, maps.methods) for s in networks)]
            for networks in randomised
        ]
        add_likeness(rows, batch, found, settings["controls"])
    return rows.table()
