"""Complexity: the entropy of a map's cells; a map on one cell is the simplest.

Source: arXiv 2005.00631. The shares are those of the absolute values of native cells.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.metrics.complexity.cells import scores_of
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scores


def entropy(maps: Tensor) -> Tensor:
    """Return -sum_i p_i ln p_i with p_i = |m_i| / sum_j |m_j|.

    Args:
        maps: (N, *cells), L cells.

    Returns:
        (N,) float64 from 0 to ln L; NaN for a map of zeros.
    """
    sizes = maps.flatten(1).double().abs()
    shares = sizes / sizes.sum(1, keepdim=True)
    terms: Tensor = torch.special.entr(shares)
    return terms.sum(1)


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods; the network is not asked."""
    return scores_of(inputs, evaluations, entropy)
