"""Average drop: what share of its confidence the network loses when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++; there in percent, averaged over images). The map is the
``scaled`` view, which lies in [0, 1]; it multiplies the image, whose middle grey is 0.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import masked_passes
from faithcam.metrics.removal import distinct
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.target import probabilities
from faithcam.views import masked, scaled, size_of, statuses

METRIC = Metric(
    "Average drop",
    larger_is_better=False,
    source="arXiv 1710.11063",
    range=(0, 1),
    passes=masked_passes,
    primary="view=scaled",
    volumes=True,
    several_labels=True,
)


def confidence(
    model: nn.Module, images: Tensor, classes: Tensor, *, several: bool = False
) -> Tensor:
    """Return the probability of each image's class, (N,) float64.

    Args:
        model: images -> logits (N, classes).
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        classes: (N,).
        several: whether an image has several labels: the sigmoid instead of the softmax.
    """
    found = probabilities(model(images), several=several)
    return found.gather(1, classes[:, None])[:, 0]


def drop(clean: Tensor, remaining: Tensor) -> Tensor:
    """Return max(0, Y - O) / Y of the confidences Y in images and O in their masked versions."""
    return (clean - remaining).clamp(min=0) / clean


def masked_confidences(
    shard: Shard, maps: ShardMaps, batch: Batch
) -> tuple[Tensor, dict[str, Tensor], dict[str, list[str]]]:
    """Return the confidence in the predicted class, clean and masked.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        batch: of the images.

    Returns:
        Confidence in the images (B,); by method, in the images times the map, (B,) each; and the
        maps' statuses.
    """
    size, classes, several = size_of(batch.images), batch.predicted, shard.several
    raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
    views, places = distinct([scaled(part, size) for part in raw.values()])
    found = [
        confidence(shard.model, masked(batch.images, view), classes, several=several)
        for view in views
    ]
    clean = confidence(shard.model, batch.images, classes, several=several)
    shown = {method: found[place] for method, place in zip(raw, places, strict=True)}
    return clean, shown, {method: statuses(part, "scaled") for method, part in raw.items()}


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "average_drop")
    for batch in shard.batches():
        clean, shown, status = masked_confidences(shard, maps, batch)
        for method, found in shown.items():
            values = drop(clean, found)
            rows.add(batch, "strict", "view=scaled", method, values, status[method])
    return rows.table()
