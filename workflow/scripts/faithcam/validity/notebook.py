"""Does a metric of one's own find the truth of one network? Tensors in, a table out.

Truth, candidates, blind metrics, gates and words are those of the workflow; the unit is the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError, unknown
from faithcam.core.seeding import Noise, Streams
from faithcam.maps.explain import explain
from faithcam.maps.pixels import given_on_cells
from faithcam.metrics.inputs import GivenMaps, Inputs
from faithcam.models.camnet import CamNet
from faithcam.truth.contributions import LEAST_RELIABILITY
from faithcam.truth.images import NAME, truths
from faithcam.truth.others import mean_of_others
from faithcam.truth.sampling import Sampling
from faithcam.validity import rows
from faithcam.validity.candidates import DRAWS, STEPS, of_truths
from faithcam.validity.judgement import ESTIMANDS, Judging, check_primary, parts_of
from faithcam.validity.measured import BLIND, TRUTH
from faithcam.validity.own import Own, Score, key_of_own, readings
from faithcam.validity.readings import NetworkKey
from faithcam.validity.rows import Part
from faithcam.validity.tables import CONCORDANCE
from faithcam.validity.verdict import DAMAGED, METHODS

NUMBERS = ("concordance", "floor", "difference", "low", "high", "tied")  # of a family's verdict
SAID = ("word", "scope", "reason")
COLUMNS = [
    *("metric", "family", "estimand", "concordance", "floor", "floor_metric", "difference"),
    *("low", "high", "pairs", "tied", "images", "reliability", *SAID),
]


def concordance(
    network: CamNet,
    images: Tensor,
    metrics: Mapping[str, Score | Own],
    *,
    backgrounds: Tensor,
    classes: Tensor | None = None,
    estimands: Sequence[str] = ("background",),
    maps: Mapping[str, Any] | Sequence[str] = (),
    groups: Sequence[Any] | None = None,
    patches: bool = False,
    sampling: Sampling | None = None,
    steps: Sequence[float] = STEPS,
    draws: int = DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how often metrics prefer the map that is nearer to what each cell contributes.

    Args:
        network: in eval mode and float32, on the images' device.
        images: (N, C, H, W) in [-1, 1].
        metrics: functions of (network, images, classes, maps) by name, 12 at most: they are decided
            together. Larger is better, if not wrapped in :class:`faithcam.validity.own.Own`. Torch
            draws the same random numbers for each map.
        backgrounds: training images (M, C, H, W): what absent cells show.
        classes: whose centred logit is explained, (N,); the predicted ones, if not given.
        estimands: truths, of :data:`faithcam.validity.judgement.ESTIMANDS`.
        maps: of the family ``methods``: raw maps by name, tensors or arrays, of cells (N, h, w) or
            pixels (N, H, W), whose sums over cells are taken; or names of map methods. Without
            any, metrics are asked about damaged truths alone.
        groups: of the images, such as patients, (N,): the unit; each image, if not given.
        patches: whether a cell sees its own pixels alone: then the truth is exact.
        sampling: of the truth elsewhere.
        steps: shares of noise of damaged truths.
        draws: noises per step.
        confidence: of the intervals.
        seed: of all random numbers.

    Returns:
        A row per metric, family and estimand: ``concordance`` C; ``floor``, the C of the best blind
        metric, and which that is; C - floor as ``difference`` with its Holm-adjusted interval over
        images; how many ``pairs``, which share is ``tied``, how many ``images`` have some; mean
        ``reliability`` of the truth; the ``word`` on the metric, for this network alone, and why.

    Raises:
        ValueError: if an argument is not as described.
        FaithcamError: if a law or a gate is broken, a metric returns other than one finite number
            per image, there are too many, or no image has pairs of maps that the truth can order.

    Source: docs/concordance.md.
    """
    own = {name: m if isinstance(m, Own) else Own(m) for name, m in metrics.items()}
    _check(network, images, own, backgrounds, estimands, groups)
    noise = Noise(Streams(seed, NAME, "network"), range(len(images)), images.device)
    with torch.no_grad():
        logits = network(images)
        classes = logits.argmax(1) if classes is None else classes
        _check_classes(classes, len(images), logits.shape[1])
        given = (network, images, classes, backgrounds, noise)
        truth = truths(*given, estimands, sampling, patches=patches)
        chosen = _maps(network, images, classes, maps)
        damaged = of_truths(truth, noise, estimands, steps, draws)
    others = {name: mean_of_others(each.values, classes) for name, each in truth.items()}
    inputs = Inputs(
        *(network, images, classes, GivenMaps({}), noise),
        channels=images.shape[1],
        truth=truth,
        truth_of_others=others,
    )
    key: NetworkKey = ("network", network.head, 0)
    parts: list[Part] = []
    for family, candidates in ((DAMAGED, damaged), (METHODS, chosen)):
        if candidates:
            asked, scores = readings(inputs, candidates, own)
            parts += parts_of([scores], asked, family, NAME, [key], seed)
    reliability = {name: float(each.reliability.nanmean()) for name, each in truth.items()}
    if not parts:
        raise FaithcamError(
            f"images: no pair of maps found that the truth can order (mean reliability "
            f"{', '.join(f'{name} {value:.2f}' for name, value in reliability.items())}), expected "
            f"{LEAST_RELIABILITY} and more; allow more permutations in sampling"
        )
    settings = {"seed": seed, "statistics": {"confidence": confidence, "resamples": 1}}
    judging = Judging(NAME, [key], parts, settings, _table(groups))
    judged = judging.judge([key_of_own(name) for name in own])
    words = {
        (row["metric"], row["estimand"]): row
        for row in rows.verdicts(NAME, *judged, judging.design)
    }
    found = [
        _row(row, words[row["metric"], row["estimand"]], reliability)
        for part in parts
        for columns in rows.concordance(part, NAME, [key], judging.group_of, confidence)
        for row in pa.table(columns, schema=CONCORDANCE).to_pylist()
        if row["metric"] in own
    ]
    found.sort(key=lambda row: list(own).index(row["metric"]))
    return pd.DataFrame(found, columns=COLUMNS)


def _row(
    row: dict[str, Any], verdict: Mapping[str, Any], reliability: Mapping[str, float]
) -> dict[str, Any]:
    numbers = {name: verdict[f"{row['family']}_{name}"] for name in NUMBERS}
    said = {name: verdict[name] for name in SAID}
    return {**row, **numbers, **said, "reliability": reliability[row["estimand"]]}


def _check(
    network: CamNet,
    images: Tensor,
    metrics: Mapping[str, Own],
    backgrounds: Tensor,
    estimands: Sequence[str],
    groups: Sequence[Any] | None,
) -> None:
    if network.training:
        raise ValueError("network: train mode found, expected eval mode; call network.eval()")
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images: {tuple(images.shape)} found, expected (N, C, H, W)")
    if backgrounds.shape[1:] != images.shape[1:] or not len(backgrounds):
        raise ValueError(
            f"backgrounds: {tuple(backgrounds.shape)} found, expected training images "
            f"(M, {', '.join(map(str, images.shape[1:]))})"
        )
    if groups is not None and len(groups) != len(images):
        raise ValueError(f"groups: {len(groups)} found, expected one per image, {len(images)}")
    for name in estimands or ("",):
        if name not in ESTIMANDS:
            raise ValueError(f"estimands: {unknown(name, ESTIMANDS)}")
    if not metrics or {BLIND, TRUTH} & set(metrics):
        raise ValueError(
            f"metrics: {', '.join(metrics) or 'none'} found, expected functions by name, none "
            f"named {BLIND} or {TRUTH}, which are there"
        )
    check_primary(list(metrics), "metrics")


def _check_classes(classes: Tensor, images: int, logits: int) -> None:
    whole = not classes.is_floating_point() and classes.shape == (images,)
    if not whole or bool(((classes < 0) | (classes >= logits)).any()):
        raise ValueError(
            f"classes: {classes.tolist()} found, expected a whole number from 0 to {logits - 1} "
            f"for each of {images} images"
        )


def _maps(
    network: CamNet, images: Tensor, classes: Tensor, maps: Mapping[str, Any] | Sequence[str]
) -> dict[str, Tensor]:
    """Return the maps of the family ``methods``, float32."""
    if not isinstance(maps, Mapping):
        maps = explain(network, images, classes, list(maps), explained_score="centred")
    cells = tuple(network.activations(images[:1]).shape[2:])
    return {name: given_on_cells(name, raw, images, cells) for name, raw in maps.items()}


def _table(groups: Sequence[Any] | None) -> pa.Table | None:
    """Return the groups of the images as the table of a data set holds them."""
    if groups is None:
        return None
    codes = pd.factorize(np.asarray(groups))[0]
    return pa.table({"image_id": range(len(codes)), "group": codes})
