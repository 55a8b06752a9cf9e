"""Reliability: how much of the spread of scores over images comes back in another draw."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _mean_squares(scores: Array) -> tuple[float, float]:
    """Return the mean squares between and within images, of one-way analysis of variance."""
    if scores.ndim != 2 or min(scores.shape) < 2:
        raise ValueError(f"scores: shape {scores.shape} found, expected (images, draws), 2 or more")
    between = scores.shape[1] * scores.mean(1).var(ddof=1)
    return float(between), float(scores.var(1, ddof=1).mean())


def icc(scores: Array) -> float:
    """Return ICC(1,1), the reliability of one draw: one-way random effects.

    Args:
        scores: (images, draws), none missing.

    Returns:
        At most 1, negative where draws agree less than chance; NaN where all scores are equal.

    Raises:
        ValueError: if there are less than two images or draws.

    Source: Shrout and Fleiss 1979, 10.1037/0033-2909.86.2.420.
    """
    between, within = _mean_squares(scores)
    total = between + (scores.shape[1] - 1) * within
    return (between - within) / total if total else float("nan")


def icc_average(scores: Array) -> float:
    """Return ICC(1,k), the reliability of the mean over all k draws; see :func:`icc`."""
    between, within = _mean_squares(scores)
    return (between - within) / between if between else float("nan")


def split_half(scores: Array) -> float:
    """Return the correlation of the means over odd and even draws, for all draws together.

    Half as many draws are less reliable; 2 r / (1 + r) is what r becomes with all of them.

    Args:
        scores: (images, draws), none missing.

    Returns:
        At most 1; NaN where a half is the same for all images.

    Raises:
        ValueError: if there are less than two images or draws.

    Source: Spearman 1910, 10.1111/j.2044-8295.1910.tb00206.x; Brown 1910,
    10.1111/j.2044-8295.1910.tb00207.x.
    """
    _mean_squares(scores)
    halves = [scores[:, start::2].mean(1) for start in (0, 1)]
    if any(np.ptp(half) == 0 for half in halves):
        return float("nan")
    r = np.corrcoef(*halves)[0, 1]
    with np.errstate(divide="ignore"):
        return float(2 * r / (1 + r))
