"""Scores of the cells of maps alone: the network is not asked."""

from collections.abc import Callable, Sequence

from torch import Tensor

from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scores


def scores_of(
    inputs: Inputs, evaluations: Sequence[Evaluation], measure: Callable[[Tensor], Tensor]
) -> Scores:
    """Return what a measure, (N, *cells) -> (N,), says of all methods' raw maps."""
    scores = Scores()
    for evaluation in evaluations:
        for method, raw in inputs.raw(evaluation.methods).items():
            # a constant map has no ranks, but it has cells to measure
            status = [s.replace("undefined", "ok") for s in statuses(raw, "signed")]
            scores.add(evaluation, method, measure(raw), status)
    return scores
