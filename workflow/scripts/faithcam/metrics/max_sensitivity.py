"""Max-Sensitivity: how much a map can change when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 1901.09392, eq. 8.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.explain import Explainable, Target, explain, maps_of
from faithcam.shard import Batch, ScoreRows, Shard
from faithcam.views import View, scaled, statuses


def ranks(maps: Tensor) -> Tensor:
    """Return the average ranks of the cells of each map: (N, h, w) -> (N, h w) float64."""
    flat = maps.flatten(1)
    larger = flat[:, :, None] > flat[:, None, :]
    equal = flat[:, :, None] == flat[:, None, :]
    return larger.sum(2).double() + (equal.sum(2).double() + 1) / 2


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's correlation of each pair of rank rows (N, L); NaN where one is constant."""
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


@torch.no_grad()
def max_sensitivity(
    model: Explainable,
    images: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    radius: float,
    unit_noise: Tensor | Iterable[Tensor],
    view: View = "scaled",
    *,
    clip: bool = False,
    target: Target = "logit",
) -> dict[str, dict[str, Tensor]]:
    """Return max_s norm2(view(x + r u_s) - view(x)) of every method.

    All methods share each noisy image's one forward pass.

    Args:
        model: a network in eval mode.
        images: (N, C, H, W) in [-1, 1].
        classes: the class explained, fixed for all noisy images, (N,).
        methods: names of map methods.
        radius: r.
        unit_noise: u_s in [-1, 1]: (N, S, C, H, W), or S tensors (N, C, H, W) one at a time.
        view: ``scaled`` (ReLU, min-max, image resolution) or ``signed`` (raw, native cells).
        clip: whether x + r u_s is clipped to [-1, 1].
        target: score that is explained, see :func:`faithcam.explain.explain`.

    Returns:
        For each method, (N,) float64 each: ``absolute``; ``relative``, divided by norm2(view(x)),
        NaN if that is 0; ``rank``, max_s (1 - Spearman), for the signed view only; ``flips``, the
        share of samples that change the prediction (the same for all methods).

    Raises:
        ValueError: if the view is unknown, there is no sample, or one has not the images' shape.
    """
    if view not in ("scaled", "signed"):
        raise ValueError(f"view: {view!r} found, expected 'scaled' or 'signed'")
    samples = unit_noise.unbind(1) if isinstance(unit_noise, Tensor) else unit_noise
    size = (images.shape[2], images.shape[3])

    def seen(raw: dict[str, Tensor]) -> dict[str, Tensor]:
        return {m: scaled(x, size) for m, x in raw.items()} if view == "scaled" else raw

    activations = model.activations(images)
    predicted = model.logits(activations).argmax(1)
    clean = seen(maps_of(model, activations, classes, methods, target))
    clean_ranks = {m: ranks(x) for m, x in clean.items()} if view == "signed" else {}
    zeros = torch.zeros(len(images), dtype=torch.float64, device=images.device)
    absolute = dict.fromkeys(methods, zeros)
    rank = dict.fromkeys(clean_ranks, zeros - torch.inf)
    flips, count = zeros, 0
    for noise in samples:
        if noise.shape != images.shape:
            raise ValueError(
                f"unit_noise: a sample of shape {tuple(noise.shape)} found, expected "
                f"{tuple(images.shape)}"
            )
        noisy = images + radius * noise
        activations = model.activations(noisy.clamp(-1, 1) if clip else noisy)
        flips = flips + (model.logits(activations).argmax(1) != predicted)
        count += 1
        for method, moved in seen(maps_of(model, activations, classes, methods, target)).items():
            change = (moved - clean[method]).flatten(1).double().norm(dim=1)
            absolute[method] = torch.maximum(absolute[method], change)
            if view == "signed":
                correlation = spearman(clean_ranks[method], ranks(moved))
                rank[method] = torch.maximum(rank[method], 1 - correlation)
    if not count:
        raise ValueError("unit_noise: no sample found, expected at least one")
    result = {}
    for method in methods:
        norm = clean[method].flatten(1).double().norm(dim=1)
        relative = torch.where(norm == 0, torch.nan, absolute[method] / norm)
        result[method] = {
            "absolute": absolute[method],
            "relative": relative,
            "flips": flips / count,
        }
        if view == "signed":
            result[method]["rank"] = rank[method]
    return result


def _noise(shard: Shard, batch: Batch, purpose: str, samples: int) -> Iterator[Tensor]:
    shape = tuple(batch.images.shape[1:])
    for draw in range(samples):
        noise = shard.streams.uniform(batch.image_ids, f"max_sensitivity {purpose}", draw, shape)
        yield (noise * 2 - 1).to(batch.images.device)


def _score_thesis(
    shard: Shard, batch: Batch, methods: list[str], settings: dict[str, Any], rows: ScoreRows
) -> None:
    status = {
        method: statuses(raw, "scaled")
        for method, raw in explain(shard.model, batch.images, batch.labels, methods).items()
    }
    for radius, samples in zip(settings["radii"], settings["samples"], strict=True):
        found = max_sensitivity(
            shard.model,
            batch.images,
            batch.labels,
            methods,
            radius,
            _noise(shard, batch, f"thesis {radius}", samples),
            "scaled",
        )
        setting = tables.setting(radius=float(radius), samples=samples, version="absolute")
        for method, values in found.items():
            rows.add(batch, "thesis", setting, method, values["absolute"], status[method])


def _score_strict(
    shard: Shard, batch: Batch, methods: list[str], settings: dict[str, Any], rows: ScoreRows
) -> None:
    samples, primary = settings["samples"], settings["primary_radius"]
    runs: list[tuple[Target, int, float]] = [("centred", 0, r) for r in settings["radii"]]
    runs += [("centred", 1, primary), ("logit", 0, primary)]
    for target, stream, radius in runs:
        raw = explain(shard.model, batch.images, batch.predicted, methods, target=target)
        status = {method: statuses(maps, "signed") for method, maps in raw.items()}
        found = max_sensitivity(
            shard.model,
            batch.images,
            batch.predicted,
            methods,
            radius,
            _noise(shard, batch, f"strict {stream}", samples),
            "signed",
            clip=True,
            target=target,
        )
        facts: dict[str, object] = {"radius": float(radius), "samples": samples, "stream": stream}
        if target == "logit":
            facts["gauge"] = "logit"
        for method, versions in found.items():
            for version in ("absolute", "relative", "rank"):
                setting = tables.setting(**facts, version=version)
                rows.add(batch, "strict", setting, method, versions[version], status[method])
        if target == "centred":
            flips = next(iter(found.values()))["flips"]
            setting = tables.setting(**facts, version="flips")
            rows.add(batch, "strict", setting, "prediction", flips, ["ok"] * len(flips))


@torch.inference_mode()
def score_shard(
    shard: Shard, methods: list[str], protocols: Sequence[str], settings: dict[str, Any]
) -> pa.Table:
    """Score the methods of a shard that depend on the image, in the chosen protocols.

    Args:
        shard: the model and its images.
        methods: map methods that explain the network.
        protocols: ``thesis``, ``strict`` or both.
        settings: the config's ``max_sensitivity``.
    """
    rows = ScoreRows(shard, "max_sensitivity")
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        if "thesis" in protocols:
            _score_thesis(shard, batch, methods, settings["thesis"], rows)
        if "strict" in protocols:
            _score_strict(shard, batch, methods, settings["strict"], rows)
    return rows.table()
