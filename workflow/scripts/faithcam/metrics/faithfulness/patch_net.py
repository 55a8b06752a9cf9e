"""Patch net: AOPC's code and each imputer, judged where the best order of removal is known.

Where cell ij sees only its own pixels and the centred logit y_c is linear in A, replacing the
pixels of the cells S of x by those of r gives y_c(x) - sum_S [HR(x) - HR(r)], with HR the signed
HiResCAM map. So HR(x) - HR(r) is the best order under imputer r, and every curve is known.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from faithcam.core.views import size_of, statuses
from faithcam.maps.explain import gradients
from faithcam.maps.methods.gradcam import gradcam
from faithcam.maps.methods.hirescam import hirescam
from faithcam.maps.methods.sham import sham
from faithcam.metrics.evaluation import Evaluation, grouped
from faithcam.metrics.faithfulness.curves import Output, aopc_of, drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.grid import grid
from faithcam.removal.orders import additive_drops, order_of
from faithcam.results.laws import Check

OUTPUTS: tuple[Output, ...] = ("probability", "logit")


def score(inputs: Inputs, evaluations: Sequence[Evaluation], *, draws: int) -> Scores:
    """Score the best order, HiResCAM, Grad-CAM and the sham by AOPC under every imputer.

    Args:
        inputs: of a patch network; ``renderings`` for the imputer ``rerendered``.
        evaluations: what is asked.
        draws: of noise.

    Returns:
        Scores, and the checks that every curve is what the law says and that no order beats the
        best one.
    """
    scores, explained = Scores(), _Explained(inputs)
    for (imputer,), asked in grouped(evaluations, "imputer").items():
        explained.score(imputer, draws, asked, scores)
    return scores


class _Explained:
    """Images and their maps of the classes, centred logit."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        A = inputs.network.activations(inputs.images)
        self._gradients = gradients(inputs.network, A, inputs.classes, "centred")
        noise, g = inputs.noise, self._gradients
        self._maps = {
            "hirescam": hirescam(A, g),
            "gradcam": gradcam(A, g),
            "sham": sham(A, g, noise.image_ids, noise.streams),
        }
        self._magnitude = self._magnitude_of(A)
        self._cells = (A.shape[2], A.shape[3])

    def _magnitude_of(self, activations: Tensor) -> Tensor:
        return (self._gradients * activations).double().abs().sum((1, 2, 3))

    def score(self, imputer: str, draws: int, asked: Sequence[Evaluation], scores: Scores) -> None:
        """Add the scores under one imputer, and the checks of its curves."""
        inputs, cells = self._inputs, self._cells
        regions = grid(size_of(inputs.images), cells)
        fills = inputs.replacements(imputer, draws=draws, regions=regions)
        filled = [inputs.network.activations(fill) for fill in fills]
        lost = [self._maps["hirescam"] - hirescam(A, self._gradients) for A in filled]
        maps = {"oracle": torch.stack(lost).mean(0), **self._maps}
        keys = inputs.noise.uniform("aopc ties", 0, (cells[0] * cells[1],))
        orders = {name: order_of(raw.flatten(1), keys) for name, raw in maps.items()}
        logits = inputs.removal.logits(inputs.images, list(orders.values()), regions, fills)
        curves = {output: drops(logits, inputs.classes, output) for output in OUTPUTS}
        aopcs = {output: aopc_of(curve.mean(1)) for output, curve in curves.items()}
        names = list(maps)
        for evaluation in asked:
            output = cast(Output, evaluation.setting["output"])
            for method in evaluation.methods:
                values = aopcs[output][names.index(method)]
                scores.add(evaluation, method, values, statuses(maps[method], "signed"))

        allowed = torch.stack(
            [1e-5 * (self._magnitude + self._magnitude_of(A)) + 1e-4 for A in filled]
        )
        known = torch.stack(
            [
                torch.stack([additive_drops(part.flatten(1), order) for part in lost])
                for order in orders.values()
            ]
        )
        errors = (curves["logit"] - known).abs().amax(3) / allowed
        gains = (aopcs["logit"] - aopcs["logit"][0]) / allowed.mean(0)
        tolerance = "1e-5 sum|W_c A| + 1e-4, A of image and replacement"
        laws = {
            "removal lowers a patch net's score by HR(x) - HR(r)": errors.amax((0, 1)),
            "no order of removal beats HR(x) - HR(r)": gains.amax(0),
        }
        scores.checks += [
            Check(f"{law}, {imputer}", values, tolerance) for law, values in laws.items()
        ]
