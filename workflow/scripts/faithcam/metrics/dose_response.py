"""Dose-response: heads between spatially constant weights and the trained ones.

The head w(t) = (1 - t) mean_ij(W) + t W needs more of space the larger the dose t is. Maps are
linear in the weights and w(t) has the same spatial mean for all t, so

    hirescam_t = (1 - t) gradcam + t hirescam
    sham_t     = (1 - t) gradcam + t sham
    gradcam_t  = gradcam

are what explaining w(t) gives: at t = 0 all are one map. In feature space, on the centred logit of
w(t), D(t) = AOPC(order of hirescam_t) - AOPC(order of gradcam) is convex, nowhere negative, 0 at
t = 0, and so monotone: the cells contribute hirescam_t, hence the first AOPC is the largest of all
orders', a maximum of linear functions of t, and the second, whose order stays, is linear in t.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from faithcam import seeding, tables
from faithcam.cams.methods.gradcam import gradcam
from faithcam.cams.methods.hirescam import hirescam
from faithcam.cams.methods.sham import sham
from faithcam.explain import gradients
from faithcam.metrics import aopc
from faithcam.metrics.facts import Metric
from faithcam.metrics.haas import assisted_statuses, heatmap_assisted
from faithcam.metrics.max_sensitivity import moved, ranks, spearman
from faithcam.metrics.planning import Config, Model, cells_of, fills_of
from faithcam.metrics.removal import Regions, Removal, additive_drops, distinct, grid, order_of
from faithcam.models.camnet import CamNet
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import normalised, statuses

Scores = dict[tuple[float, str], Tensor]  # by dose and method


def passes(config: Config, model: Model) -> int:
    """Return the passes per image: removal and assisted images of all maps, noisy images, itself.

    All heads share them. Grad-CAM is the same at every dose, and the only map at dose 0.
    """
    maps = 1 + 2 * sum(dose > 0 for dose in config["dose_response"]["doses"])
    states = cells_of(config, model) * fills_of(config, ["noise"])
    return int(maps * (states + 1) + config["max_sensitivity"]["strict"]["samples"] + 1)


METRIC = Metric(
    "Dose-response",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    passes=passes,
    maps="none",
    needs=("max_sensitivity", "aopc"),
    windows=True,
    compared=False,
    heads=("flatten",),
)


def interpolated(model: CamNet, doses: Sequence[float], shape: Sequence[int]) -> CamNet:
    """Return a network with the heads w(t) of all doses side by side.

    Args:
        model: with a Flatten head.
        doses: t, from 0 (weights averaged over the cells) to 1 (as trained).
        shape: of the activations, (N, K, h, w).

    Returns:
        A network of the same features; output i C + c is the logit of class c by w(doses[i]).
    """
    trained = model.cell_weights(shape)
    averaged = trained.mean((2, 3), keepdim=True)
    heads = torch.cat([(1 - t) * averaged + t * trained for t in doses]).flatten(1)
    classifier = nn.Linear(heads.shape[1], len(heads), device="meta")
    classifier.weight = nn.Parameter(heads, requires_grad=False)
    classifier.bias = nn.Parameter(model.classifier.bias.repeat(len(doses)), requires_grad=False)
    return model.with_classifier(classifier)


def trained_maps(activations: Tensor, slopes: Tensor) -> dict[str, Tensor]:
    """Return the raw maps of the trained head, (N, h, w) each, from A and dy_c/dA."""
    functions = {"hirescam": hirescam, "gradcam": gradcam, "sham": sham}
    return {name: function(activations, slopes) for name, function in functions.items()}


def maps_at(dose: float, trained: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the raw maps of the head w(dose) from those of the trained head, (N, h, w) each."""
    averaged = trained["gradcam"]
    mixed = {name: (1 - dose) * averaged + dose * raw for name, raw in trained.items()}
    return {**mixed, "gradcam": averaged}


def dead_shares(activations: Tensor, slopes: Tensor, dead: Tensor) -> dict[str, Tensor]:
    """Return the share of each map's sum of absolute values in cells whose weights were zeroed.

    Args:
        activations: A, (N, K, h, w).
        slopes: dy_c/dA of the trained head, (N, K, h, w).
        dead: cells whose weights are set to zero for every class, (h, w) bool.

    Returns:
        (N,) float64 for each method; NaN where the map is 0.
    """
    found = trained_maps(activations, slopes * ~dead)
    sizes = {name: m.double().abs() for name, m in found.items()}
    return {name: (m * dead).sum((1, 2)) / m.sum((1, 2)) for name, m in sizes.items()}


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score HiResCAM, Grad-CAM and the sham of every head w(t); images and classes are those of 1.

    At t = 1 the scores are the metrics' own, of their strict protocols' primary settings (noise);
    HAAS says whether the class explained is kept, as heads that were not trained have no accuracy.

    Args:
        shard: a network with a Flatten head and its images.
        maps: not used.
        settings: the config, of which ``aopc``, ``max_sensitivity`` and ``dose_response`` are used.
    """
    rows = ScoreRows(shard, "dose_response")
    doses = settings["dose_response"]["doses"]
    strict = settings["aopc"]["strict"]

    @cache
    def heads(shape: torch.Size) -> tuple[CamNet, Removal]:
        model = interpolated(shard.model, doses, shape)
        return model, Removal(model, settings["aopc"]["memory_mb"])

    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        A = shard.model.activations(batch.images)
        slopes = gradients(shard.model, A, batch.predicted, "centred")
        trained = trained_maps(A, slopes)
        raw = {(t, name): m for t in doses for name, m in maps_at(t, trained).items()}
        keys = shard.uniform(batch, "aopc ties", 0, (A.shape[2] * A.shape[3],))
        orders = {key: order_of(m.flatten(1), keys) for key, m in raw.items()}
        model, removal = heads(A.shape)
        fills = aopc.replacements(shard, batch, "noise", 0, strict["draws"])
        regions = grid((batch.images.shape[2], batch.images.shape[3]), (A.shape[2], A.shape[3]))
        found = {
            "aopc": _removed(removal, batch, orders, regions, fills, doses),
            "feature_aopc": {
                (t, name): aopc.score(additive_drops(raw[t, "hirescam"].flatten(1), order))
                for (t, name), order in orders.items()
            },
            "haas": _assisted(model, batch, raw, doses),
            "max_sensitivity": _moved(
                shard, batch, slopes, raw, settings["max_sensitivity"]["strict"]
            ),
        }
        for (t, name), shown in raw.items():
            status = statuses(shown, "signed")
            assisted = assisted_statuses(status, shown)
            for metric, scores in found.items():
                setting = tables.setting(metric=metric, t=float(t))
                entries = assisted if metric == "haas" else status
                rows.add(batch, "strict", setting, name, scores[t, name], entries)
            if name != "gradcam":
                _add_dose(rows, batch, t, name, shown, trained["gradcam"])
        _add_dead_zone(rows, shard, batch, A, slopes)
    return rows.table()


def _removed(
    removal: Removal,
    batch: Batch,
    orders: Scores,
    regions: Regions,
    fills: list[Tensor],
    doses: list[float],
) -> Scores:
    """Return AOPC of the class probability of the heads, each in the orders of its own maps."""
    logits = removal.logits(batch.images, list(orders.values()), regions, fills)
    return {
        (t, name): aopc.score(
            aopc.drops(
                part.chunk(len(doses), -1)[doses.index(t)], batch.predicted, "probability"
            ).mean(0)
        )
        for (t, name), part in zip(orders, logits, strict=True)
    }


def _assisted(model: CamNet, batch: Batch, raw: Scores, doses: list[float]) -> Scores:
    """Return whether the heads keep the class explained in the images their maps amplify."""
    size = (batch.images.shape[2], batch.images.shape[3])
    views, places = distinct([normalised(shown, size) for shown in raw.values()])
    logits = [model(heatmap_assisted(batch.images, view)).chunk(len(doses), 1) for view in views]
    return {
        (t, name): logits[place][doses.index(t)].argmax(1) == batch.predicted
        for (t, name), place in zip(raw, places, strict=True)
    }


def _moved(
    shard: Shard, batch: Batch, slopes: Tensor, raw: Scores, strict: dict[str, Any]
) -> Scores:
    """Return the relative Max-Sensitivity at the primary radius; one pass per sample."""
    shape = tuple(batch.images.shape[1:])
    worst: Scores = {}
    for draw in range(strict["samples"]):
        noise = shard.noise(batch, "max_sensitivity strict 0", draw, shape)
        noisy = moved(batch.images, strict["primary_radius"], noise, clip=True)
        trained = trained_maps(shard.model.activations(noisy), slopes)
        for t in {t for t, _ in raw}:
            for name, shown in maps_at(t, trained).items():
                change = (shown - raw[t, name]).flatten(1).double().norm(dim=1)
                worst[t, name] = torch.maximum(worst.get((t, name), change), change)
    norms = {key: shown.flatten(1).double().norm(dim=1) for key, shown in raw.items()}
    return {key: torch.where(norms[key] == 0, torch.nan, worst[key] / norms[key]) for key in raw}


def _add_dose(
    rows: ScoreRows, batch: Batch, t: float, name: str, shown: Tensor, averaged: Tensor
) -> None:
    """Add how far a map is from Grad-CAM: the doses for metrics of ranks and for others."""
    difference = (shown - averaged).flatten(1).double().norm(dim=1)
    kinds = {
        "rank": 1 - spearman(ranks(shown), ranks(averaged)),
        "norm": difference / shown.flatten(1).double().norm(dim=1),
    }
    for kind, values in kinds.items():
        setting = tables.setting(metric="dose", kind=kind, t=float(t))
        rows.add(batch, "strict", setting, name, values, ["ok"] * len(values))


def _add_dead_zone(
    rows: ScoreRows, shard: Shard, batch: Batch, activations: Tensor, slopes: Tensor
) -> None:
    """Add the shares in a keyed half of the cells, the same for all images of a network."""
    streams, shape = shard.streams, activations.shape[2:]
    random = seeding.generator(streams.seed, streams.dataset, streams.model, "dead zone")
    dead = torch.from_numpy(random.permutation(shape.numel()) < shape.numel() // 2)
    shares = dead_shares(activations, slopes, dead.view(shape).to(activations.device))
    for name, values in shares.items():
        setting = tables.setting(metric="dead_zone", kind="share")
        rows.add(batch, "strict", setting, name, values, ["ok"] * len(values))
