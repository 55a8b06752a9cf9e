"""Convergence: what AOPC and Max-Sensitivity say after a growing number of draws and samples.

Draws and samples are those of the metrics themselves, in their order, and more.
"""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import torch

from faithcam import tables
from faithcam.metrics.aopc import drops, replacements, score
from faithcam.metrics.facts import Metric
from faithcam.metrics.max_sensitivity import Sensitivity, moved
from faithcam.metrics.planning import Config, Model, cells_of
from faithcam.metrics.removal import Removal, grid, order_of
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

METHODS = ("gradcam", "hirescam", "sham")
BLOCKS = (0, 1)  # streams of Max-Sensitivity's noise


def passes(config: Config, model: Model) -> int:
    """Return the passes per image: removal of three maps in every draw, and noisy images.

    Both blocks share the clean image's pass.
    """
    own = config["convergence"]
    removed = len(METHODS) * own["draws"] * cells_of(config, model)
    return int(removed + len(BLOCKS) * max(own["samples"]) + 1)


METRIC = Metric(
    "Convergence",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    passes=passes,
    maps="none",
    computes=METHODS,
    needs=("max_sensitivity", "aopc"),
    windows=True,
    compared=False,
    heads=("flatten",),
)


def _score_draws(
    batch: Batch, shard: Shard, removal: Removal, sensitivity: Sensitivity, draws: int
) -> dict[str, torch.Tensor]:
    """Return the AOPC of every noise draw alone (strict, native cells, probability): (draws, B)."""
    raw = sensitivity.raw["centred"]
    cells = next(iter(raw.values())).shape[1:]
    ties = shard.uniform(batch, "aopc ties", 0, (cells.numel(),))
    orders = [order_of(maps.flatten(1), ties) for maps in raw.values()]
    regions = grid((batch.images.shape[2], batch.images.shape[3]), (cells[0], cells[1]))
    noise = replacements(shard, batch, "noise", 0, draws)
    logits = removal.logits(batch.images, orders, regions, noise)
    return {
        method: score(drops(part, batch.predicted, "probability"))
        for method, part in zip(raw, logits, strict=True)
    }


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score HiResCAM, its sham and Grad-CAM draw by draw and sample by sample.

    Args:
        shard: a model with a Flatten head and its images.
        maps: not used.
        settings: the config's ``convergence``, ``aopc`` and ``max_sensitivity``.
    """
    own, radius = settings["convergence"], settings["max_sensitivity"]["strict"]["primary_radius"]
    shard = replace(shard, batch_size=min(shard.batch_size, own["images"]))  # less padding
    rows = ScoreRows(shard, "convergence")
    removal = Removal(shard.model, settings["aopc"]["memory_mb"])
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        sensitivity = Sensitivity(
            shard.model, batch.images, batch.predicted, METHODS, "signed", ["centred"]
        )
        status = {m: statuses(raw, "signed") for m, raw in sensitivity.raw["centred"].items()}
        found = _score_draws(batch, shard, removal, sensitivity, own["draws"])
        for method, scores in found.items():
            for draw, values in enumerate(scores):
                setting = tables.setting(metric="aopc", draw=draw)
                rows.add(batch, "strict", setting, method, values, status[method])
        shape = tuple(batch.images.shape[1:])
        for block in BLOCKS:
            for draw in range(max(own["samples"])):
                noise = shard.noise(batch, f"max_sensitivity strict {block}", draw, shape)
                noisy = moved(batch.images, radius, noise, clip=True)
                sensitivity.add(str(block), noisy, {"centred": METHODS})
                if draw + 1 not in own["samples"]:
                    continue
                setting = tables.setting(metric="max_sensitivity", block=block, samples=draw + 1)
                for method, versions in sensitivity.found(str(block), "centred").items():
                    values = versions["relative"]
                    rows.add(batch, "strict", setting, method, values, status[method])
    return rows.table()
