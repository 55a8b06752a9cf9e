"""HAAS: does the network classify better when the map amplifies the image?

Source: 10.1109/ACCESS.2022.3184453 (heatmap assisted accuracy score).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import normalised, scaled, statuses


def heatmap_assisted(images: Tensor, maps: Tensor) -> Tensor:
    """Return the heatmap-assisted images clip(x (1 + m), -1, 1).

    Args:
        images: x, (N, C, H, W) in [-1, 1].
        maps: m, (N, H, W), ``scaled`` or ``normalised`` view; a map of zeros changes nothing.

    Returns:
        Images like ``images``.

    Raises:
        ValueError: if the maps do not have the images' size.
    """
    if maps.shape != images[:, 0].shape:
        raise ValueError(
            f"maps {tuple(maps.shape)} found, expected {tuple(images[:, 0].shape)} for images "
            f"{tuple(images.shape)}"
        )
    return (images * (1 + maps[:, None])).clamp(-1, 1)


def _shuffled(shard: Shard, batch: Batch, raw: Tensor) -> Tensor:
    """Return raw maps (B, h, w) with their cells in a keyed random order."""
    flat = raw.flatten(1)
    orders = [
        shard.streams.generator(i, "haas shuffle").permutation(flat.shape[1])
        for i in batch.image_ids
    ]
    index = torch.from_numpy(np.stack(orders)).to(raw.device)
    return flat.gather(1, index).reshape(raw.shape)


@torch.inference_mode()
def score_shard(
    shard: Shard, maps: ShardMaps, protocols: Sequence[str], settings: dict[str, Any]
) -> pa.Table:
    """Score all methods of a shard: 1 where the heatmap-assisted image is classified correctly.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        protocols: ``thesis``, ``strict`` or both.
        settings: the config's ``haas``.
    """
    rows = ScoreRows(shard, "haas")
    for batch in shard.batches():
        images = batch.images
        size = (images.shape[2], images.shape[3])

        def judge(
            protocol: str,
            setting: dict[str, str],
            method: str,
            view: Tensor,
            status: list[str],
            batch: Batch = batch,
        ) -> None:
            predicted = shard.model(heatmap_assisted(batch.images, view)).argmax(1)
            if protocol == "strict":
                kept = tables.setting(**setting, outcome="kept")
                rows.add(batch, protocol, kept, method, predicted == batch.predicted, status)
            text = tables.setting(**setting)
            rows.add(batch, protocol, text, method, predicted == batch.labels, status)

        if "thesis" in protocols:
            for method in maps.methods:
                raw = maps.of(batch, method, "label", "logit")
                status = _without_undefined(statuses(raw, "scaled"))
                judge("thesis", {"class": "label"}, method, scaled(raw, size), status)
        if "strict" in protocols:
            for target, gauge in (
                ("predicted", "centred"),
                ("label", "centred"),
                ("predicted", "logit"),
            ):
                facts = {"class": target} | ({"gauge": "logit"} if gauge == "logit" else {})
                for method in maps.methods:
                    raw = maps.of(batch, method, target, gauge)
                    status = _without_undefined(statuses(raw, "signed"))
                    judge("strict", facts, method, normalised(raw, size), status)
            ok = ["ok"] * len(images)
            blank = torch.zeros_like(images[:, 0])
            predicted = {"class": "predicted"}
            judge("strict", predicted, "null_blank", blank, ok)
            constant = blank + settings["strict"]["constant"]
            judge("strict", predicted, "null_constant", constant, ok)
            if "hirescam" in maps.methods:
                raw = maps.of(batch, "hirescam", "predicted", "centred")
                view = normalised(_shuffled(shard, batch, raw), size)
                status = _without_undefined(statuses(raw, "signed"))
                judge("strict", predicted, "null_shuffled", view, status)
    return rows.table()


def _without_undefined(status: list[str]) -> list[str]:
    """A constant map has no ranks, but it amplifies like any other."""
    return ["ok" if entry == "undefined" else entry for entry in status]
