"""The stage that computes maps: every method's raw maps of a shard, after the laws were checked."""

from collections.abc import Callable
from dataclasses import asdict
from typing import cast

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.cams import registry
from faithcam.checks import Check, Outcomes, check_images
from faithcam.explain import maps_of
from faithcam.shard import GAUGES, TARGETS, Batch, Shard


def _rows(
    shard: Shard, method: str, batch: Batch, target: str, gauge: str, classes: Tensor
) -> dict[str, list[object]]:
    count = batch.count
    names = {**asdict(shard.identity), "method": method}
    return {
        **{name: [value] * count for name, value in names.items()},
        "image_id": list(batch.image_ids[:count]),
        "target": [target] * count,
        "gauge": [gauge] * count,
        "class": classes[:count].tolist(),
    }


def _batch_maps(
    shard: Shard, batch: Batch, methods: list[str]
) -> dict[str, list[dict[str, list[object]]]]:
    A = shard.model.activations(batch.images)
    logits = shard.model.logits(A) - shard.model.classifier.bias
    cells = (A.shape[2], A.shape[3])
    baselines = {}
    for name in methods:
        if not registry.METHODS[name].uses_model:
            baseline = cast(Callable[..., Tensor], registry.function(name))
            baselines[name] = baseline(batch.images, cells, batch.image_ids, shard.streams)
    result: dict[str, list[dict[str, list[object]]]] = {name: [] for name in methods}
    for target, classes in zip(TARGETS, (batch.predicted, batch.labels), strict=True):
        for gauge in GAUGES:
            scores = logits.gather(1, classes[:, None])[:, 0]
            if gauge == "centred":
                scores = scores - logits.mean(1)
            found = maps_of(shard.model, A, classes, registry.from_model(methods), gauge)
            for name in methods:
                raw = (found | baselines)[name]
                rows = _rows(shard, name, batch, target, gauge, classes)
                rows["height"] = [cells[0]] * batch.count
                rows["width"] = [cells[1]] * batch.count
                known = name in found
                rows["score"] = (scores if known else scores * torch.nan)[: batch.count].tolist()
                rows["map"] = list(raw.flatten(1)[: batch.count].cpu().numpy())
                result[name].append(rows)
    return result


@torch.inference_mode()
def compute(shard: Shard, methods: list[str]) -> tuple[dict[str, pa.Table], pa.Table]:
    """Return each method's maps (``tables.MAPS``) and the checks (``tables.CHECKS``) of a shard.

    Raises:
        FaithcamError: if a law is broken, naming model, image and size of the error.
    """
    parts: dict[str, list[dict[str, list[object]]]] = {name: [] for name in methods}
    outcomes = Outcomes(shard.identity)
    for batch in shard.batches():
        outcomes.add(
            [
                Check(check.name, check.errors[: batch.count], check.tolerance)
                for check in check_images(shard.model, batch.images, batch.predicted)
            ],
            batch.image_ids,
        )
        for name, rows in _batch_maps(shard, batch, methods).items():
            parts[name] += rows
    maps = {
        name: tables.concatenate(
            [pa.table(rows, schema=tables.MAPS) for rows in parts[name]],
            tables.MAPS,
            ["target", "gauge", "image_id"],
        )
        for name in methods
    }
    return maps, outcomes.table()
