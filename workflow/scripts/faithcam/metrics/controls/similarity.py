"""Similarity of HiResCAM and every other map of an image: what a preference can rest on."""

from collections.abc import Sequence

from torch import Tensor

from faithcam.core.ranks import ranks, spearman
from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scores

REFERENCE = "hirescam"


def residual(reference: Tensor, maps: Tensor) -> Tensor:
    """Return sum over cells of (reference - map)^2: (N, *cells) -> (N,) float64."""
    return (reference.double() - maps).square().sum(tuple(range(1, reference.ndim)))


def total(reference: Tensor) -> Tensor:
    """Return sum over cells of (reference - its mean)^2: (N, *cells) -> (N,) float64."""
    reference = reference.double()
    return residual(reference, reference.mean(tuple(range(1, reference.ndim)), keepdim=True))


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Compare HiResCAM with all maps, predicted class and centred logit.

    Args:
        inputs: maps; the network is not asked.
        evaluations: ``kind=spearman``, Spearman's rank correlation over the native cells;
            ``kind=residual``, see :func:`residual`; and of HiResCAM alone ``kind=total``, see
            :func:`total`. A map's share of HiResCAM's variance in a network is 1 - sum of residuals
            / sum of totals over its images.
    """
    scores = Scores()
    reference = inputs.raw([REFERENCE])[REFERENCE]
    ordered = ranks(reference.double())
    for evaluation in evaluations:
        kind = evaluation.setting["kind"]
        for method, raw in inputs.raw(evaluation.methods).items():
            if kind == "spearman":
                alike = spearman(ordered, ranks(raw))
                scores.add(evaluation, method, alike, statuses(raw, "signed"))
            else:
                values = total(raw) if kind == "total" else residual(reference, raw)
                scores.add(evaluation, method, values)
    return scores
