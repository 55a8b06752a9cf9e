"""Increase in confidence: whether the network is surer when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++). Images are masked as by :mod:`faithcam.metrics.average_drop`.
"""

from typing import Any

import pyarrow as pa
import torch

from faithcam.metrics.average_drop import masked_confidences
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import masked_passes
from faithcam.shard import ScoreRows, Shard, ShardMaps

METRIC = Metric(
    "Increase in confidence",
    larger_is_better=True,
    source="arXiv 1710.11063",
    range=(0, 1),
    passes=masked_passes,
    primary="view=scaled",
    volumes=True,
    several_labels=True,
    binary=True,
)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard: 1 where the confidence in the predicted class rises, else 0.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "increase_in_confidence")
    for batch in shard.batches():
        clean, masked, status = masked_confidences(shard, maps, batch)
        for method, found in masked.items():
            rows.add(batch, "strict", "view=scaled", method, found > clean, status[method])
    return rows.table()
