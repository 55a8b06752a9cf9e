"""Localisation: how much of a map lies in a mask.

What is positive in the raw map is upsampled and compared with the mask. Sources: the pointing game,
arXiv 1608.00507 (without its tolerance in pixels); relevance mass and rank accuracy, arXiv
2003.07258.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.metrics.facts import Metric
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import size_of, statuses, upsampled

METRIC = Metric(
    "Localisation",
    larger_is_better=True,
    source="arXiv 1608.00507, 2003.07258",
    range=(0, 1),
    primary="kind=mass;mask=lesion",
    truth="masks",
    volumes=True,
    several_labels=True,
)
LABELLED = ("marker",)  # planted parts, beside the lesion, that a label may depend on


def localisation(maps: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Return three measures of each map, (N,) float64 in [0, 1]; NaN for blank maps, empty masks.

    Args:
        maps: not negative, (N, H, W), or (N, S, H, W) of volumes.
        masks: bool, like the maps.

    Returns:
        ``pointing``: 1 if the maximum lies in the mask; of tied maxima, the share that does.
        ``mass``: the share of the map's sum that does. ``rank``: of the K largest pixels, K those
        of the mask, the share that does; pixels that tie for the last places share them.
    """
    values, inside = maps.flatten(1).double(), masks.flatten(1)
    peak = values.amax(1, keepdim=True)
    wanted = inside.sum(1, keepdim=True)
    defined = (peak[:, 0] > 0) & (wanted[:, 0] > 0)

    last = values.sort(1, descending=True).values.gather(1, (wanted - 1).clamp(min=0))
    above, tied, at_peak = values > last, values == last, values == peak
    share = (wanted[:, 0] - above.sum(1)).double() / tied.sum(1)
    hits = (above & inside).sum(1) + share * (tied & inside).sum(1)
    found = {
        "pointing": (at_peak & inside).sum(1).double() / at_peak.sum(1),
        "mass": (values * inside).sum(1) / values.sum(1),
        "rank": hits / wanted[:, 0],
    }
    return {kind: torch.where(defined, measure, torch.nan) for kind, measure in found.items()}


def _masks(shard: Shard, batch: Batch) -> dict[str, Tensor]:
    """Return the masks by name, (B, H, W) bool, or (B, S, H, W).

    With several labels per image ``lesion`` is the finding explained.
    """
    dataset = shard.dataset
    masks = {"lesion": dataset.masks[batch.image_ids]}
    if dataset.finding_masks is not None:
        found = zip(batch.image_ids, batch.labels.tolist(), strict=True)
        masks["lesion"] = np.stack([dataset.finding_masks[place] for place in found])
    for i, part in enumerate(dataset.parts):
        if part in LABELLED and dataset.part_masks is not None:
            masks[part] = dataset.part_masks[batch.image_ids, i]
    return {
        name: torch.from_numpy(np.ascontiguousarray(mask)).bool().to(shard.device)
        for name, mask in masks.items()
    }


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard; images whose mask is empty get the status ``empty_mask``.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "localisation")
    for batch in shard.batches():
        masks = _masks(shard, batch)
        for method in maps.methods:
            raw = maps.of(batch, method, "predicted", "centred")
            view = upsampled(raw.clamp(min=0), size_of(batch.images))
            blank = [status == "blank_map" for status in statuses(raw, "scaled")]
            for name, mask in masks.items():
                status = [
                    "empty_mask" if empty else "blank_map" if none else "ok"
                    for empty, none in zip((~mask.flatten(1).any(1)).tolist(), blank, strict=True)
                ]
                for kind, values in localisation(view, mask).items():
                    setting = tables.setting(kind=kind, mask=name)
                    rows.add(batch, "strict", setting, method, values, status)
    return rows.table()
