"""Deletion: how low the class probability is while the most relevant cells turn grey, one by one.

Source: arXiv 1806.07421 (RISE). There single pixels are removed; here the native cells, which
are all that a map of the last layer tells apart. Grey is 0, the middle of the images' range.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import states_of_cells
from faithcam.metrics.removal import Removal, grid, order_of
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.target import probabilities
from faithcam.views import size_of, statuses

SETTING = "region=native"
MEMORY_MB = 1000  # for kept activations


METRIC = Metric(
    "Deletion",
    larger_is_better=False,
    source="arXiv 1806.07421",
    range=(0, 1),
    passes=states_of_cells,
    primary=SETTING,
    windows=True,
    volumes=True,
    several_labels=True,
)


def area(logits: Tensor, classes: Tensor, *, several: bool = False) -> Tensor:
    """Return the area under the curve of the class probability over the share of regions.

    Args:
        logits: of each step, (..., N, L + 1, classes).
        classes: whose probability is followed, (N,).
        several: whether an image has several labels: the sigmoid instead of the softmax.

    Returns:
        (..., N) float64 in [0, 1], by trapezoids of equal width.
    """
    found = probabilities(logits, several=several)
    index = classes[:, None, None].expand(*found.shape[:-1], 1)
    curve = found.gather(-1, index)[..., 0]
    return (curve[..., 1:] + curve[..., :-1]).mean(-1) / 2


def score_curves(
    shard: Shard, maps: ShardMaps, metric: str, ends: Callable[[Batch], tuple[Tensor, Tensor]]
) -> pa.Table:
    """Score all methods by the area under a curve from one image to another, cell by cell.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods; the most relevant cell comes first.
        metric: name of the metric.
        ends: returns the first and the last image of a batch's curves, like its images.
    """
    rows, removal = ScoreRows(shard, metric), Removal(shard.model, MEMORY_MB)
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
        cells = next(iter(raw.values())).shape[1:]
        keys = shard.uniform(batch, "aopc ties", 0, (cells.numel(),))
        orders = [order_of(shown.flatten(1), keys) for shown in raw.values()]
        first, last = ends(batch)
        logits = removal.logits(first, orders, grid(size_of(first), tuple(cells)), [last])
        areas = area(logits[:, 0], batch.predicted, several=shard.several)
        for (method, shown), values in zip(raw.items(), areas, strict=True):
            rows.add(batch, "strict", SETTING, method, values, statuses(shown, "signed"))
    return rows.table()


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard, on the probability of the predicted class.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    return score_curves(
        shard, maps, "deletion", lambda batch: (batch.images, torch.zeros_like(batch.images))
    )
