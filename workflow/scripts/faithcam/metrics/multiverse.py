"""Multiverse: AOPC of HiResCAM and Grad-CAM in every declared specification.

Factors: the map's view and target, the grid of regions and whether it is corrected for the offset
of the cells' receptive fields, the imputer and the noise stream.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.explain import maps_of
from faithcam.metrics import aopc
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model, fills_of, strict_regions
from faithcam.metrics.removal import Regions, Removal, grid, order_of, region_means, region_values
from faithcam.models.registry import ARCHITECTURES
from faithcam.shard import GAUGES, Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import View, scaled, statuses

METHODS = ("hirescam", "gradcam")
VIEWS: tuple[View, ...] = ("signed", "scaled")
Region = int | tuple[int, ...]


def passes(config: Config, model: Model) -> int:
    """Return the states of an image in all specifications, at most, and the pass for its maps."""
    settings = config["multiverse"]
    regions = sum(strict_regions(config, model, settings["regions"]).values())
    offsets = 2 if ARCHITECTURES[model.architecture].offset else 1
    targets = 2
    orders = len(METHODS) * 2 * targets * offsets  # two views
    return orders * regions * fills_of(config, settings["imputers"], streams=2) + 1


METRIC = Metric(
    "Multiverse",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    passes=passes,
    maps="none",
    computes=METHODS,
    needs=("aopc",),
    windows=True,
    compared=False,
    heads=("flatten",),
)


def values_of(
    raw: Tensor, view: View, region: Region, size: tuple[int, int], offset: float
) -> Tensor:
    """Return the relevance of each region in a view: (N, h, w) raw maps -> (N, L).

    Native cells keep their own value (``scaled``: after ReLU, since min-max changes no order);
    squares average the upsampled map, its cells' centres moved by ``offset`` pixels.
    """
    if view == "signed":
        return region_values(raw, region, size, offset)
    if isinstance(region, int):
        return region_means(scaled(raw, size, offset), region)
    return raw.clamp(min=0).flatten(1)


def partitions(
    region: Region, size: tuple[int, int], offsets: dict[str, float]
) -> Iterator[tuple[Regions, dict[str, float]]]:
    """Yield regions of an image, see :func:`faithcam.metrics.removal.grid`, and offsets for them.

    Native cells move with their centres; squares stay where they are, and the maps move.
    """
    if isinstance(region, int):
        yield grid(size, region), offsets
        return
    for name, offset in offsets.items():
        yield grid(size, region, offset), {name: offset}


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score HiResCAM and Grad-CAM by AOPC of the class probability in all specifications.

    Beside them stands the range of all curves of an imputer, f(x0) - f(everything removed).

    Args:
        shard: the model and its images.
        maps: not used.
        settings: the config, of which ``aopc`` and ``multiverse`` are used.
    """
    rows = ScoreRows(shard, "multiverse")
    removal = Removal(shard.model, settings["aopc"]["memory_mb"])
    offset = ARCHITECTURES[shard.identity.architecture].offset
    offsets = {"none": 0.0} | ({"corrected": offset} if offset else {})
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        _score(shard, batch, removal, settings, offsets, rows)
    return rows.table()


def _score(
    shard: Shard,
    batch: Batch,
    removal: Removal,
    settings: dict[str, Any],
    offsets: dict[str, float],
    rows: ScoreRows,
) -> None:
    images, draws = batch.images, settings["aopc"]["strict"]["draws"]
    size = (images.shape[2], images.shape[3])
    A = shard.model.activations(images)
    raw = {
        (target, method): shown
        for target in GAUGES
        for method, shown in maps_of(shard.model, A, batch.predicted, METHODS, target).items()
    }
    fills = {
        (imputer, stream): aopc.replacements(
            shard, batch, imputer, stream, draws if imputer == "noise" else 1
        )
        for imputer in settings["multiverse"]["imputers"]
        for stream in ((0, 1) if imputer == "noise" else (0,))
    }
    pixels = [fill for part in fills.values() for fill in part]
    ranges: dict[tuple[str, int], Tensor] = {}
    cells = (A.shape[2], A.shape[3])
    for region, name in aopc.strict_regions(settings["multiverse"]["regions"], cells, size):
        for regions, chosen in partitions(region, size, offsets):
            count = (int(regions[0].max()) + 1) * (int(regions[1].max()) + 1)
            keys = shard.uniform(batch, "aopc ties", 0, (count,))
            orders = {
                (where, target, view, method): order_of(
                    values_of(shown, view, region, size, offset), keys
                )
                for where, offset in chosen.items()
                for view in VIEWS
                for (target, method), shown in raw.items()
            }
            logits = removal.logits(images, list(orders.values()), regions, pixels)
            for (where, target, view, method), found in zip(orders, logits, strict=True):
                status = statuses(raw[target, method], view)
                parts = found.split([len(part) for part in fills.values()])
                for (imputer, stream), part in zip(fills, parts, strict=True):
                    curve = aopc.drops(part, batch.predicted, "probability").mean(0)
                    ranges.setdefault((imputer, stream), curve[:, -1])
                    facts = {"grid": name, "imputer": imputer, "offset": where, "stream": stream}
                    setting = tables.setting(**facts, target=target, view=view)
                    rows.add(batch, "strict", setting, method, aopc.score(curve), status)
    for (imputer, stream), values in ranges.items():
        setting = tables.setting(imputer=imputer, output="range", stream=stream)
        rows.add(batch, "strict", setting, "hirescam", values, ["ok"] * len(values))
