"""Sparseness: the Gini index of a map's cells; 0 if all are alike, near 1 if one has everything.

Source: arXiv 1810.06583. The values are the absolute ones of native cells.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam.metrics.facts import Metric
from faithcam.shard import ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

METRIC = Metric(
    "Sparseness",
    larger_is_better=True,
    source="arXiv 1810.06583",
    range=(0, 1),
    primary="view=signed",
    volumes=True,
    several_labels=True,
)


def gini(maps: Tensor) -> Tensor:
    """Return 1 - 2 sum_k v_k / |v| (d - k + 1/2) / d, v_1 <= .. <= v_d the absolute values.

    Args:
        maps: (N, *cells), d cells.

    Returns:
        (N,) float64 from 0 to 1 - 1 / d; NaN for a map of zeros.
    """
    values = maps.flatten(1).double().abs().sort(1).values
    count = values.shape[1]
    weights = (torch.arange(count, 0, -1, device=values.device) - 0.5) / count
    return 1 - 2 * (values * weights).sum(1) / values.sum(1)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard; the network is not asked.

    Args:
        shard: the images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "sparseness")
    for batch in shard.batches():
        for method in maps.methods:
            raw = maps.of(batch, method, "predicted", "centred")
            # a constant map has no ranks, but it has a Gini index
            status = [s.replace("undefined", "ok") for s in statuses(raw, "signed")]
            rows.add(batch, "strict", "view=signed", method, gini(raw), status)
    return rows.table()
