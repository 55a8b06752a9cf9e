"""Agreement of maps with gold: the exact contributions of the parts of an image.

A map's answer for a part is the sum of the upsampled raw map over the part's pixels, so that large
parts weigh more; decoys have the lesion's area. Gold's answer is the part's Shapley value, and for
a decoy, of which no image goes without, the fall of the score when it is drawn again. The score is
the centred logit; maps of the raw logit, those of the thesis protocol, are held to the same gold.
"""

from dataclasses import asdict
from itertools import product

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.gold import Array, Contributions, contributions, kendall
from faithcam.metrics.aopc import drops
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model, definition_of
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses, upsampled

STREAMS = (0, 1)  # textures in which decoys are drawn again
GAUGES: dict[str, dict[str, str]] = {"centred": {}, "logit": {"gauge": "logit"}}
FEWEST = 3  # parts that an order is made of
DECOYS = 6


def passes(config: Config, model: Model) -> int:
    """Return the renderings per image: of all sets of parts, and of decoys in two textures."""
    parts = 3 if definition_of(config, model).get("task") == "shortcut" else 2
    return int(2**parts + len(STREAMS) * DECOYS)


METRIC = Metric(
    "Agreement with gold",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    passes=passes,
    primary="stream=0",
    outputs=("gold",),
    all_images=True,
    truth="renderings",
)


def masses(raw: Tensor, masks: Tensor) -> Tensor:
    """Return the sum of upsampled maps over each part's pixels.

    Args:
        raw: raw maps (N, h, w).
        masks: {0, 1}, (N, n, H, W).

    Returns:
        (N, n) float64.
    """
    large = upsampled(raw, (masks.shape[2], masks.shape[3])).double()
    return torch.einsum("nphw,nhw->np", masks.double(), large)


def _falls(shard: Shard, batch: Batch) -> Array:
    """Return how much lower the centred logit of each rendering is than the image's, (B, R)."""
    pixels = shard.dataset.renderings_of(batch.image_ids)
    logits = torch.stack(
        [shard.model(shard.tensor(pixels[:, r])) for r in range(pixels.shape[1])], 1
    )
    whole = 2 ** len(shard.dataset.parts) - 1
    steps = torch.cat([logits[:, whole : whole + 1], logits], 1)
    falls: Array = drops(steps, batch.predicted, "logit")[:, 1:].cpu().numpy()
    return falls


def _add_gold(
    rows: tables.Collector,
    shard: Shard,
    batch: Batch,
    planted: Contributions,
    again: tuple[Array, ...],
    areas: Array,
) -> None:
    """Add a row per part and stream of each image; planted parts have the same in both streams."""
    parts, decoys = shard.dataset.parts, shard.dataset.decoys
    consistent = planted.consistent(areas[:, : len(parts)] > 0)
    unknown = np.full((len(areas), decoys), np.nan)
    for stream, fall in zip(STREAMS, again, strict=True):
        columns = {
            "shapley": np.concatenate([planted.shapley, unknown], 1),
            "leave_one_out": np.concatenate([planted.leave_one_out, fall], 1),
            "add_one_in": np.concatenate([planted.add_one_in, unknown], 1),
            "interaction": np.concatenate([planted.interaction, unknown], 1),
        }
        for i, part in enumerate((*parts, *(f"decoy{d}" for d in range(decoys)))):
            there = np.flatnonzero(areas[: batch.count, i])
            rows.add(
                len(there),
                {
                    **asdict(shard.identity),
                    "image_id": [batch.image_ids[n] for n in there],
                    "part": part,
                    "stream": stream,
                    "area": areas[there, i].tolist(),
                    "consistent": consistent[there].tolist(),
                    **{name: values[there, i].tolist() for name, values in columns.items()},
                },
            )


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps) -> tuple[pa.Table, pa.Table]:
    """Score all methods of a shard by Kendall's tau-b of their masses with gold.

    The order of two decoys is not asked for: both say next to nothing, and which says less is
    decided by their texture. With six decoys these would be half of all pairs.
    Parts that an image does not have are left out; with fewer than three the score is undefined.

    Args:
        shard: the model and its images, of a data set with planted parts.
        maps: the stored maps of all methods.

    Returns:
        Scores and gold (``tables.GOLD``).

    Raises:
        FaithcamError: if an image has no renderings.
    """
    dataset = shard.dataset
    count, decoys = len(dataset.parts), dataset.decoys
    asked = np.arange(count + decoys) < count
    rows = ScoreRows(shard, "agreement")
    gold = tables.Collector(tables.GOLD, tables.GOLD_KEY)
    for batch in shard.batches():
        falls = _falls(shard, batch)
        planted = contributions(-falls[:, : 2**count])
        again = tuple(falls[:, 2**count + s * decoys :][:, :decoys] for s in STREAMS)
        assert dataset.part_masks is not None
        masks = torch.from_numpy(dataset.part_masks[batch.image_ids]).to(shard.device)
        areas = masks.sum((2, 3)).cpu().numpy()
        _add_gold(gold, shard, batch, planted, again, areas)
        for method, (gauge, facts) in product(maps.methods, GAUGES.items()):
            raw = maps.of(batch, method, "predicted", gauge)
            mass = masses(raw, masks).cpu().numpy()
            for stream, fall in zip(STREAMS, again, strict=True):
                truth = np.concatenate([planted.shapley, fall], 1)
                tau = kendall(mass, np.where(areas > 0, truth, np.nan), asked)
                tau[(areas > 0).sum(1) < FEWEST] = np.nan
                setting = tables.setting(stream=stream, **facts)
                status = statuses(raw, "signed")
                rows.add(batch, "strict", setting, method, torch.from_numpy(tau), status)
    return rows.table(), gold.table()
