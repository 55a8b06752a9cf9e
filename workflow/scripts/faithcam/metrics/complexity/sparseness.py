"""Sparseness: the Gini index of a map's cells; 0 if all are alike, near 1 if one has everything.

Source: arXiv 1810.06583. The values are the absolute ones of native cells.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.metrics.complexity.cells import scores_of
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scores


def gini(maps: Tensor) -> Tensor:
    """Return 1 - 2 sum_k v_k / |v| (d - k + 1/2) / d, v_1 <= .. <= v_d the absolute values.

    Args:
        maps: (N, *cells), d cells.

    Returns:
        (N,) float64 from 0 to 1 - 1 / d; NaN for a map of zeros.
    """
    values = maps.flatten(1).double().abs().sort(1).values
    count = values.shape[1]
    weights = (torch.arange(count, 0, -1, device=values.device) - 0.5) / count
    return 1 - 2 * (values * weights).sum(1) / values.sum(1)


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods; the network is not asked."""
    return scores_of(inputs, evaluations, gini)
