"""Increase in confidence: whether the network is surer when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++). Images are masked as by :mod:`faithcam.metrics.masking`.
"""

from collections.abc import Sequence

from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.masking import masked_confidences


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods: 1 where the confidence in the class explained rises, else 0."""
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    clean, seen = masked_confidences(
        inputs.network, inputs.images, inputs.classes, raw, several=inputs.several
    )
    for evaluation in evaluations:
        for method in evaluation.methods:
            scores.add(evaluation, method, seen[method] > clean, statuses(raw[method], "scaled"))
    return scores
