"""Increase in confidence: whether the network is surer when it sees a map's part alone.

Source: arXiv 1710.11063 (Grad-CAM++). Images are masked as by
:mod:`faithcam.metrics.faithfulness.masking`.
"""

from collections.abc import Sequence

import torch

from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.masking import masked_scores
from faithcam.metrics.inputs import Inputs, Scores


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods: 1 where the confidence in the class explained rises, else 0."""
    return masked_scores(inputs, evaluations, torch.lt)
