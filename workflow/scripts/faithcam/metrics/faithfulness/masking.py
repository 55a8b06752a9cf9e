"""Confidence of a network in images that are multiplied by their maps.

Source: arXiv 1710.11063 (Grad-CAM++). The map is the ``scaled`` view, which lies in [0, 1]; middle
grey is 0.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from faithcam.core.explained import probabilities
from faithcam.core.views import masked, scaled, size_of, statuses
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.orders import distinct


def confidence(
    model: nn.Module, images: Tensor, classes: Tensor, *, multi_label: bool = False
) -> Tensor:
    """Return the probability of each image's class, (N,) float64.

    Args:
        model: images -> logits (N, classes).
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        classes: (N,).
        multi_label: whether an image has several labels: the sigmoid instead of the softmax.
    """
    scores = probabilities(model(images), multi_label=multi_label)
    return scores.gather(1, classes[:, None])[:, 0]


def masked_confidences(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    maps: Mapping[str, Tensor],
    *,
    multi_label: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the confidence in the class, clean and masked; equal masks are seen once.

    Args:
        model: see :func:`confidence`, as the others not named here.
        images: see there.
        classes: see there.
        maps: raw, by method, (N, h, w) or (N, S, h, w).
        multi_label: see there.

    Returns:
        Confidence in the images (N,), and by method in the images times the map.
    """
    size = size_of(images)
    views, places = distinct([scaled(raw, size) for raw in maps.values()])
    seen = [
        confidence(model, masked(images, view), classes, multi_label=multi_label) for view in views
    ]
    clean = confidence(model, images, classes, multi_label=multi_label)
    return clean, {method: seen[place] for method, place in zip(maps, places, strict=True)}


def masked_scores(
    inputs: Inputs,
    evaluations: Sequence[Evaluation],
    compare: Callable[[Tensor, Tensor], Tensor],
) -> Scores:
    """Score all methods by a function of the confidence in the class, clean and masked."""
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    clean, seen = masked_confidences(
        inputs.network, inputs.images, inputs.classes, raw, multi_label=inputs.multi_label
    )
    for evaluation in evaluations:
        for method in evaluation.methods:
            status = statuses(raw[method], "scaled")
            scores.add(evaluation, method, compare(clean, seen[method]), status)
    return scores
