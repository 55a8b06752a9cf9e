"""Efficient MPRT: how much more complex maps become when all weights of the network are new.

Source: arXiv 2401.06465: the relative rise of the entropy of the map's histogram. It needs one
randomised network and compares no maps with each other. The histogram is that of the signed map,
upsampled to the image: a hundred bins from its smallest to its largest value.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.metrics.facts import Metric
from faithcam.metrics.mprt import explained, randomised_shards
from faithcam.metrics.planning import STREAMS, Config, Model, map_passes
from faithcam.shard import ScoreRows, Shard, ShardMaps
from faithcam.views import statuses, upsampled

BINS = 100


def passes(config: Config, model: Model) -> int:
    """Return the passes per image: of the network and two with new weights."""
    return (1 + len(STREAMS)) * map_passes(config, model)


METRIC = Metric(
    "Efficient MPRT",
    larger_is_better=True,
    source="arXiv 2401.06465",
    range=(-1, float("inf")),
    passes=passes,
    primary="bins=100;stream=0",
    maps="networks",
    randomised=lambda config: len(STREAMS),
    drawn_per_network=True,
)


def histogram_entropy(maps: Tensor, bins: int = BINS) -> Tensor:
    """Return the entropy in nats of each map's histogram.

    Args:
        maps: (N, H, W).
        bins: of equal width, from the smallest to the largest value of the map.

    Returns:
        (N,) float64; 0 for a constant map, NaN for one that is not finite.
    """
    values = maps.flatten(1).double()
    finite = values.isfinite().all(1)
    values = torch.where(finite[:, None], values, 0)
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    width = torch.where(high > low, high - low, 1)
    index = ((values - low) / width * bins).long().clamp(max=bins - 1)
    counts = values.new_zeros(len(maps), bins).scatter_add_(1, index, torch.ones_like(values))
    terms: Tensor = torch.special.entr(counts / values.shape[1])
    return torch.where(finite, terms.sum(1), torch.nan)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard; NaN where the entropy is 0.

    Args:
        shard: the model and its images.
        maps: names the methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "efficient_mprt")
    randomised = [last for (last,) in randomised_shards(shard, 1)]
    for batch in shard.batches():
        size = (batch.images.shape[2], batch.images.shape[3])
        trained = explained(shard, batch, batch.images, maps.methods)
        for stream, other in zip(STREAMS, randomised, strict=True):
            new = explained(other, batch, batch.images, maps.methods)
            setting = tables.setting(bins=BINS, stream=stream)
            for method, raw in trained.items():
                before, after = (
                    histogram_entropy(upsampled(shown, size)) for shown in (raw, new[method])
                )
                rise = torch.where(before > 0, (after - before) / before, torch.nan)
                rows.add(batch, "strict", setting, method, rise, statuses(raw, "signed"))
    return rows.table()
