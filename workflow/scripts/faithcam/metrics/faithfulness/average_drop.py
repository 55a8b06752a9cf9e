"""Average drop: what share of its confidence the network loses when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++; there in percent, averaged over images). Images are masked as
by :mod:`faithcam.metrics.faithfulness.masking`.
"""

from collections.abc import Sequence

from torch import Tensor

from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.masking import masked_scores
from faithcam.metrics.inputs import Inputs, Scores


def drop(clean: Tensor, remaining: Tensor) -> Tensor:
    """Return max(0, Y - O) / Y of the confidences Y in images and O in their masked versions."""
    return (clean - remaining).clamp(min=0) / clean


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, on the confidence in the class explained."""
    return masked_scores(inputs, evaluations, drop)
