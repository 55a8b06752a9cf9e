"""Blind metrics: scores of a map that know its image, its values or other images' truth alone.

A metric that claims to find the truth has to beat them. Completeness asks what the network says of
the image as it is, and no more.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from faithcam.core.explained import scores as explained_scores
from faithcam.core.ranks import ranks, spearman
from faithcam.core.views import statuses
from faithcam.maps.methods.centre import centre
from faithcam.maps.methods.intensity import intensity
from faithcam.maps.methods.sobel import sobel
from faithcam.metrics.accuracy.names import COMPLETENESS, OTHERS
from faithcam.metrics.complexity.complexity import entropy
from faithcam.metrics.complexity.sparseness import gini
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores

RANKED = ("edges", "centre", "intensity", "distance_from_mean", OTHERS)


def distance_from_mean(images: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return |x - mean(x)| of the grey image, averaged over each cell: (N, h, w)."""
    grey = images.mean(1, keepdim=True)
    return F.adaptive_avg_pool2d((grey - grey.mean((2, 3), keepdim=True)).abs(), cells)[:, 0]


def variation(maps: Tensor) -> Tensor:
    """Return the total variation of maps scaled to norm 1: sum of |differences| of neighbours.

    Args:
        maps: (N, h, w).

    Returns:
        (N,) float64; NaN for a map of zeros.
    """
    exact = maps.double()
    down, right = (exact.diff(dim=axis).abs().sum((1, 2)) for axis in (1, 2))
    norms: Tensor = exact.flatten(1).norm(dim=1)
    return (down + right) / norms


def incompleteness(maps: Tensor, explained: Tensor) -> Tensor:
    """Return |sum of the map - what it should add up to| / |that|: (N, h, w), (N,) -> (N,)."""
    exact = explained.double()
    return (maps.double().sum((1, 2)) - exact).abs() / exact.abs()


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, predicted class and centred logit; larger is better in all kinds.

    Args:
        inputs: maps, and the mean truth of other images.
        evaluations: ``kind=edges``, ``centre``, ``intensity``, ``distance_from_mean`` and
            ``mean_truth_of_others``: Spearman of the map with these; ``variation`` and
            ``complexity``: minus these, so that simple maps are better; ``sparseness``;
            ``completeness``: minus the relative error of the sum, which should be the score
            without its bias.
    """
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    cells = next(iter(raw.values())).shape[1:]
    size = (int(cells[0]), int(cells[1]))
    for evaluation in evaluations:
        kind = evaluation.setting["kind"]
        ordered = ranks(_like(inputs, evaluation, size)) if kind in RANKED else None
        explained = _explained(inputs) if kind == COMPLETENESS else None
        for method in evaluation.methods:
            maps = raw[method]
            status = statuses(maps, "signed")
            if ordered is not None:
                scores.add(evaluation, method, spearman(ordered, ranks(maps)), status)
                continue
            # a constant map has no ranks, but a sum and a shape
            status = [seen.replace("undefined", "ok") for seen in status]
            if explained is not None:
                scores.add(evaluation, method, -incompleteness(maps, explained), status)
            else:
                scores.add(evaluation, method, _shape(kind, maps), status)
    return scores


def _like(inputs: Inputs, evaluation: Evaluation, cells: tuple[int, int]) -> Tensor:
    """Return the maps (N, h, w) that a map should be like."""
    kind = evaluation.setting["kind"]
    if kind == OTHERS:
        return inputs.truth_of_others[evaluation.setting["estimand"]]
    of_images = {
        "edges": sobel,
        "centre": centre,
        "intensity": intensity,
        "distance_from_mean": distance_from_mean,
    }
    return of_images[kind](inputs.images, cells)


def _shape(kind: str, maps: Tensor) -> Tensor:
    """Return what the values of maps say, (N,): equal histograms say exactly the same."""
    if kind == "variation":
        return -variation(maps)
    values = maps.flatten(1).abs().sort(1).values  # sums depend on the order, in the last digits
    return -entropy(values) if kind == "complexity" else gini(values)


def _explained(inputs: Inputs) -> Tensor:
    """Return s(x) less what it is without activations, its bias: (N,)."""
    A = inputs.network.activations(inputs.images)
    without = inputs.network.logits(torch.zeros_like(A[:1]))
    logits = inputs.network.logits(A).double() - without.double()
    return explained_scores(logits, inputs.classes, "centred")
