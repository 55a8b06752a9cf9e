"""Complexity: the entropy of a map's cells; a map on one cell is the simplest.

Source: arXiv 2005.00631. The shares are those of the absolute values of native cells.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam.metrics.facts import Metric
from faithcam.shard import ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

METRIC = Metric(
    "Complexity",
    larger_is_better=False,
    source="arXiv 2005.00631",
    range=(0, float("inf")),
    primary="view=signed",
    volumes=True,
    several_labels=True,
)


def entropy(maps: Tensor) -> Tensor:
    """Return -sum_i p_i ln p_i with p_i = |m_i| / sum_j |m_j|.

    Args:
        maps: (N, *cells), L cells.

    Returns:
        (N,) float64 from 0 to ln L; NaN for a map of zeros.
    """
    sizes = maps.flatten(1).double().abs()
    shares = sizes / sizes.sum(1, keepdim=True)
    terms: Tensor = torch.special.entr(shares)
    return terms.sum(1)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard; the network is not asked.

    Args:
        shard: the images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "complexity")
    for batch in shard.batches():
        for method in maps.methods:
            raw = maps.of(batch, method, "predicted", "centred")
            # a constant map has no ranks, but it has an entropy
            status = [s.replace("undefined", "ok") for s in statuses(raw, "signed")]
            rows.add(batch, "strict", "view=signed", method, entropy(raw), status)
    return rows.table()
