"""Truth agreement: how near a map is to what each cell really contributes to the score.

Beside the maps stand rows that are no map method: what other images' truth says, some maps moved to
the centres of their cells' receptive fields, and occlusion, one cell at a time, by each reference.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from faithcam.core.ranks import correlation, ranks, spearman
from faithcam.core.views import centred_on_fields, size_of, statuses
from faithcam.metrics.accuracy.names import DRAWS, OCCLUSION, OTHERS, SHIFTED
from faithcam.metrics.evaluation import Evaluation, grouped
from faithcam.metrics.faithfulness.occluded import occlusion
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.orders import order_of
from faithcam.truth.contributions import Truth

TOP = 0.1  # share of the cells whose overlap is asked about


def overlap(truth: Tensor, maps: Tensor, keys: Tensor) -> Tensor:
    """Return which share of the truth's largest cells is among the map's largest, as many.

    Args:
        truth: contributions of the cells, (N, *cells).
        maps: raw, likewise.
        keys: order tied cells, (N, L), see :func:`faithcam.removal.orders.order_of`.

    Returns:
        (N,) float64, of a tenth of the cells, rounded up.
    """
    count = math.ceil(TOP * keys.shape[1])
    wanted, chosen = (order_of(x.flatten(1), keys)[:, :count] for x in (truth, maps))
    return (wanted[:, :, None] == chosen[:, None]).any(2).double().mean(1)


def score(
    inputs: Inputs,
    evaluations: Sequence[Evaluation],
    *,
    offset: float,
    references: Mapping[str, str],
) -> Scores:
    """Score all methods by their agreement with each estimand, predicted class, centred logit.

    Args:
        inputs: maps and the truth of the images.
        evaluations: ``measure=spearman``, divided by the root of the truth's reliability, since no
            map can do better than the truth with itself; ``pearson`` and ``top10``
            (:func:`overlap`) as they are, and so is Spearman with ``half=all``, or with either half
            of the truth. Images whose truth is not resolved are undefined.
        offset: of the cells' centres in pixels.
        references: by estimand, the imputer that occlusion replaces cells by.
    """
    scores = Scores()
    cells = tuple(next(iter(inputs.truth.values())).values.shape[1:])
    keys = inputs.noise.uniform("aopc ties", 0, (math.prod(cells),))
    occluded: dict[str, Tensor] = {}

    def of(method: str, estimand: str) -> Tensor:
        if method == OTHERS:
            return inputs.truth_of_others[estimand]
        if method in SHIFTED:
            raw = inputs.maps.of(SHIFTED[method], "predicted", "centred")
            return centred_on_fields(raw, offset, size_of(inputs.images))
        if not method.startswith(OCCLUSION):
            return inputs.maps.of(method, "predicted", "centred")
        if method not in occluded:
            reference = references[method.removeprefix(OCCLUSION)]
            draws = inputs.replacements(reference, draws=DRAWS)
            occluded[method] = occlusion(inputs, cells, draws)
        return occluded[method]

    for (estimand,), asked in grouped(evaluations, "estimand").items():
        truth = inputs.truth[estimand]
        for evaluation in asked:
            measure = _measure(evaluation, truth, keys)
            for method in evaluation.methods:
                maps = of(method, estimand)
                status = [
                    seen if resolved else "undefined"
                    for seen, resolved in zip(
                        statuses(maps, "signed"), truth.resolved.tolist(), strict=True
                    )
                ]
                scores.add(evaluation, method, measure(maps), status)
    return scores


def _measure(evaluation: Evaluation, truth: Truth, keys: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what gives the agreement of maps (N, h, w) with the truth, (N,)."""
    setting = evaluation.setting
    if setting["measure"] == "top10":
        return lambda maps: overlap(truth.values, maps, keys)
    if setting["measure"] == "pearson":
        return lambda maps: correlation(truth.values.flatten(1).double(), maps.flatten(1).double())
    half = setting.get("half", "all")
    values = truth.values if half == "all" else truth.halves[int(half == "second")]

    def alike(maps: Tensor) -> Tensor:
        # of one precision: stored maps have less, and what is tied there must be tied here
        rho = spearman(ranks(values.to(maps.dtype)), ranks(maps))
        return rho if "half" in setting else rho / truth.reliability.sqrt()

    return alike
