"""Feature-space AOPC: cells of the activations are set to zero in the order of a map.

The centred logit is linear in A, so it falls by a cell's HiResCAM when the cell becomes zero: the
curves follow from the stored maps, exactly, and no order falls faster than HiResCAM's own. A
positive control: here the best map is known. Source of the law: arXiv 2011.08891; of the score:
arXiv 1509.06321, eq. 12.
"""

from typing import Any

import pyarrow as pa
import torch

from faithcam import tables
from faithcam.metrics.aopc import score
from faithcam.metrics.facts import Metric
from faithcam.metrics.removal import additive_drops, order_of
from faithcam.shard import ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

METRIC = Metric(
    "Feature-space AOPC",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    primary="order=morf",
    all_images=True,
    heads=("flatten",),
    volumes=True,
    several_labels=True,
)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard, on the centred logit of the predicted class.

    Args:
        shard: the images.
        maps: the stored maps of all methods, HiResCAM among them.
        settings: not used.

    Returns:
        Rows of the strict protocol: ``order=morf``, the mean fall over all steps, and
        ``order=morf;scale=optimum``, its share of what HiResCAM's order reaches (NaN where that is
        not positive).
    """
    rows = ScoreRows(shard, "feature_aopc")
    for batch in shard.batches():
        faithful = maps.of(batch, "hirescam", "predicted", "centred").flatten(1)
        optimum = score(additive_drops(faithful, order_of(faithful)))
        keys = shard.uniform(batch, "feature_aopc ties", 0, (faithful.shape[1],))
        for method in maps.methods:
            raw = maps.of(batch, method, "predicted", "centred")
            value = score(additive_drops(faithful, order_of(raw.flatten(1), keys)))
            share = torch.where(optimum > 0, value / optimum, torch.nan)
            status = statuses(raw, "signed")
            for setting, values in (
                (tables.setting(order="morf"), value),
                (tables.setting(order="morf", scale="optimum"), share),
            ):
                rows.add(batch, "strict", setting, method, values, status)
    return rows.table()
