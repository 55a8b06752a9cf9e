"""Average drop: what share of its confidence the network loses when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++; there in percent, averaged over images). Images are masked as
by :mod:`faithcam.metrics.masking`.
"""

from collections.abc import Sequence

from torch import Tensor

from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.masking import masked_confidences


def drop(clean: Tensor, remaining: Tensor) -> Tensor:
    """Return max(0, Y - O) / Y of the confidences Y in images and O in their masked versions."""
    return (clean - remaining).clamp(min=0) / clean


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, on the confidence in the class explained."""
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    clean, seen = masked_confidences(
        inputs.network, inputs.images, inputs.classes, raw, several=inputs.several
    )
    for evaluation in evaluations:
        for method in evaluation.methods:
            status = statuses(raw[method], "scaled")
            scores.add(evaluation, method, drop(clean, seen[method]), status)
    return scores
