"""Average drop: what share of its confidence the network loses when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++; there in percent, averaged over images). The map is the
``scaled`` view, which lies in [0, 1]; it multiplies the image, whose middle grey is 0.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model, every_map
from faithcam.metrics.removal import distinct
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import scaled, statuses


def passes(config: Config, model: Model) -> int:
    """Return the masked images per image, at most, and itself; equal maps are seen once."""
    return every_map(config, model) + 1


METRIC = Metric(
    "Average drop",
    larger_is_better=False,
    source="arXiv 1710.11063",
    range=(0, 1),
    passes=passes,
    primary="view=scaled",
)


def confidence(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Return the probability of each image's class: (N, C, H, W), (N,) -> (N,) float64."""
    probabilities: Tensor = model(images).double().softmax(1)
    return probabilities.gather(1, classes[:, None])[:, 0]


def drop(clean: Tensor, masked: Tensor) -> Tensor:
    """Return max(0, Y - O) / Y of the confidences Y in images and O in their masked versions."""
    return (clean - masked).clamp(min=0) / clean


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
    size = (batch.images.shape[2], batch.images.shape[3])
    raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
    views, places = distinct([scaled(shown, size) for shown in raw.values()])
    found = [
        confidence(shard.model, batch.images * view[:, None], batch.predicted) for view in views
    ]
    clean = confidence(shard.model, batch.images, batch.predicted)
    masked = {method: found[place] for method, place in zip(raw, places, strict=True)}
    return clean, masked, {method: statuses(shown, "scaled") for method, shown in raw.items()}


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
        clean, masked, status = masked_confidences(shard, maps, batch)
        for method, found in masked.items():
            values = drop(clean, found)
            rows.add(batch, "strict", "view=scaled", method, values, status[method])
    return rows.table()
