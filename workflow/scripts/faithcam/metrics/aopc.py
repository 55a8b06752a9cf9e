"""AOPC: how fast the class score falls when regions are removed in the order of a map.

Source: arXiv 1509.06321, eq. 12; docs/metrics.md describes the two protocols.
"""

from collections.abc import Collection, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from faithcam.checks import Check
from faithcam.metrics.curves import Output, abpc, area, drops, mean_drops, perturbation_drops
from faithcam.metrics.imputers import replacements
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.removal import grid, order_of, region_means, region_values, tied_share
from faithcam.metrics.spec import Evaluation, grouped, methods_of
from faithcam.setting import Setting
from faithcam.target import probabilities
from faithcam.views import scaled, size_of, statuses

RANDOM, PREDICTION = "random_order", "prediction"  # in place of a map's name
Order = tuple[str, str]  # method, and morf, lerf or gauge


def aopc(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    maps: Tensor,
    region: int,
    replacement: Tensor,
) -> Tensor:
    """Return AOPC of the class probability, thesis protocol: (N,) float64.

    Args:
        model: see :func:`faithcam.metrics.curves.perturbation_drops`, as all others.
        images: see there.
        classes: see there.
        maps: see there.
        region: see there.
        replacement: see there.
    """
    return area(perturbation_drops(model, images, classes, maps, region, replacement))


def score(
    inputs: Inputs, evaluations: Sequence[Evaluation], *, curves_of: Collection[str] = ()
) -> Scores:
    """Score all methods, in both protocols.

    Args:
        inputs: images, maps and noise; ``renderings`` for the imputer ``rerendered``.
        evaluations: what is asked.
        curves_of: methods whose curves are kept, as rows of the table ``curves``.

    Returns:
        Scores, curves f(x0) - f(xk), and of the first images of all the check of ABPC's sign.
    """
    found = Scores()
    if inputs.first:  # curves are expensive
        found.checks.append(_reversal(inputs, methods_of(evaluations)))
    _score_thesis(inputs, evaluations, found, curves_of)
    for (region,), asked in grouped(evaluations, "region", protocol="strict").items():
        if region:
            _score_region(inputs, region, asked, found, curves_of)
    _score_imputed(inputs, evaluations, found)
    return found


def _score_thesis(
    inputs: Inputs, evaluations: Sequence[Evaluation], found: Scores, curves_of: Collection[str]
) -> None:
    images = inputs.images
    size, everything = size_of(images), tuple(range(1, images.ndim))
    low, high = images.amin(everything, keepdim=True), images.amax(everything, keepdim=True)
    asked = [evaluation for evaluation in evaluations if evaluation.protocol == "thesis"]
    if not asked:
        return
    noise = inputs.noise.uniform("aopc thesis", 0, tuple(images.shape[1:]))
    replacement = noise * (high - low) + low
    raw = {m: inputs.maps.of(m, "predicted", "logit") for m in methods_of(asked)}
    views = {m: scaled(x, size) for m, x in raw.items()}
    for evaluation in asked:
        region = int(evaluation.setting["region"])
        orders = {m: order_of(region_means(views[m], region, "zeros")) for m in evaluation.methods}
        curves = _curves(inputs, grid(size, region), [replacement], orders, ("probability",))
        for (method, _), curve in curves.items():
            status = statuses(raw[method], "scaled")
            _add(found, evaluation, method, curve, status, curves_of)


def _curves(
    inputs: Inputs,
    regions: tuple[Tensor, ...],
    fills: list[Tensor],
    orders: dict[Order, Tensor] | dict[str, Tensor],
    outputs: tuple[Output, ...],
) -> dict[tuple[object, Output], Tensor]: ...
