"""Average sensitivity: how much a map changes on average when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 2005.00631. Radius, samples and
noise are those of Max-Sensitivity's strict protocol, so no average exceeds its maximum.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.metrics.facts import Metric
from faithcam.metrics.max_sensitivity import Sensitivity, moved
from faithcam.metrics.planning import STREAMS, Config, Model
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

VERSIONS = ("absolute", "relative", "rank")


def passes(config: Config, model: Model) -> int:
    """Return the noisy images per image, in both streams, and itself: all maps share them."""
    return len(STREAMS) * int(config["max_sensitivity"]["strict"]["samples"]) + 1


def primary(config: Config) -> str:
    """Return the primary setting: relative, at Max-Sensitivity's primary radius."""
    strict = config["max_sensitivity"]["strict"]
    radius, samples = float(strict["primary_radius"]), strict["samples"]
    return tables.setting(radius=radius, samples=samples, stream=0, version="relative")


METRIC = Metric(
    "Average sensitivity",
    larger_is_better=False,
    source="arXiv 2005.00631",
    range=(0, float("inf")),
    passes=passes,
    primary=primary,
    rows=6,
    maps="own",
    needs=("max_sensitivity",),
)


def _averages(
    shard: Shard, batch: Batch, sensitivity: Sensitivity, methods: list[str], stream: int,
    strict: dict[str, Any],
) -> dict[tuple[str, str], Tensor]:  # fmt: skip
    """Return the mean over samples of each method's change, in every version."""
    total: dict[tuple[str, str], Tensor] = {}
    for draw in range(strict["samples"]):
        shape = tuple(batch.images.shape[1:])
        noise = shard.noise(batch, f"max_sensitivity strict {stream}", draw, shape)
        noisy = moved(batch.images, strict["primary_radius"], noise, clip=True)
        run = f"{stream} {draw}"  # the largest change of one sample is its change
        sensitivity.add(run, noisy, {"centred": methods})
        for method, versions in sensitivity.found(run, "centred").items():
            for version in VERSIONS:
                key = (method, version)
                total[key] = total.get(key, torch.zeros(())) + versions[version]
    return {key: values / strict["samples"] for key, values in total.items()}


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score the methods of a shard that depend on the image.

    Args:
        shard: the model and its images.
        maps: names the methods.
        settings: the config's ``max_sensitivity``.
    """
    rows, strict = ScoreRows(shard, "average_sensitivity"), settings["max_sensitivity"]["strict"]
    facts = {"radius": float(strict["primary_radius"]), "samples": strict["samples"]}
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        given = shard.given(batch, maps.methods)
        sensitivity = Sensitivity(
            shard.model, batch.images, batch.predicted, maps.methods, "signed", ["centred"], given
        )
        status = {m: statuses(raw, "signed") for m, raw in sensitivity.raw["centred"].items()}
        for stream in STREAMS:
            found = _averages(shard, batch, sensitivity, maps.methods, stream, strict)
            for (method, version), values in found.items():
                setting = tables.setting(**facts, stream=stream, version=version)
                rows.add(batch, "strict", setting, method, values, status[method])
    return rows.table()
