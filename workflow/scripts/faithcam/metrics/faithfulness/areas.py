"""Areas under curves of the class probability from one image to another, cell by cell."""

from collections.abc import Sequence

from torch import Tensor

from faithcam.core.explained import probabilities
from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.faithfulness.curves import area_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid
from faithcam.removal.orders import order_of


def area(logits: Tensor, classes: Tensor, *, multi_label: bool = False) -> Tensor:
    """Return the area under the curve of the class probability over the share of regions.

    Args:
        logits: of each step, (..., N, L + 1, classes).
        classes: whose probability is followed, (N,).
        multi_label: whether an image has several labels: the sigmoid instead of the softmax.

    Returns:
        (..., N) float64 in [0, 1], by trapezoids of equal width.
    """
    scores = probabilities(logits, multi_label=multi_label)
    index = classes[:, None, None].expand(*scores.shape[:-1], 1)
    return area_of(scores.gather(-1, index)[..., 0])


def areas(
    removal: Removal,
    first: Tensor,
    last: Tensor,
    classes: Tensor,
    maps: Sequence[Tensor],
    keys: Tensor | None = None,
    *,
    multi_label: bool = False,
) -> Tensor:
    """Return the area under each map's curve, its most relevant cell first.

    Args:
        removal: evaluator of the network.
        first: images where the curves start, (N, C, H, W), or volumes (N, S, C, H, W).
        last: where they end, likewise.
        classes: whose probability is followed, (N,).
        maps: raw, (N, h, w) or (N, S, h, w) each.
        keys: distinct numbers (N, cells) that order ties; none: raster order.
        multi_label: see :func:`area`.

    Returns:
        (maps, N) float64.
    """
    regions = grid(size_of(first), tuple(maps[0].shape[1:]))
    orders = [order_of(raw.flatten(1), keys) for raw in maps]
    logits = removal.logits(first, orders, regions, [last])[:, 0]
    return area(logits, classes, multi_label=multi_label)


def area_scores(
    inputs: Inputs, evaluations: Sequence[Evaluation], first: Tensor, last: Tensor
) -> Scores:
    """Score all methods by :func:`areas`; ties are those of AOPC's strict protocol.

    Args:
        inputs: maps and noise.
        evaluations: what is asked.
        first: images where the curves start, like the inputs'.
        last: where they end, likewise.
    """
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    keys = inputs.noise.uniform("aopc ties", 0, (next(iter(raw.values()))[0].numel(),))
    maps, multi_label = list(raw.values()), inputs.multi_label
    by_map = areas(inputs.removal, first, last, inputs.classes, maps, keys, multi_label=multi_label)
    values = dict(zip(raw, by_map, strict=True))
    for evaluation in evaluations:
        for method in evaluation.methods:
            status = statuses(raw[method], "signed")
            scores.add(evaluation, method, values[method], status)
    return scores
