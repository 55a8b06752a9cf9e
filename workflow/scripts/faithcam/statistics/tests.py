"""Tests of paired differences. Each takes the differences of its units, (n,) float64."""

from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from faithcam.core import seeding

Array = np.ndarray[Any, np.dtype[np.float64]]

MOST_ENUMERATED = 40
MONTE_CARLO = 99_999


def smallest_p(n: int) -> float:
    """Return the smallest p-value that the sign-flip test of ``n`` differences can reach."""
    return 2.0 ** (1 - n) if n <= MOST_ENUMERATED else 1 / (MONTE_CARLO + 1)


def sign_flip(differences: Array, *stream: str | int) -> float:
    """Return the two-sided p-value of mean zero when every sign is as likely as its opposite.

    All 2^n sign patterns are counted up to n = 40 (each sum is one of 2^(n/2) sums of the first
    half plus one of the second), beyond that ``MONTE_CARLO`` keyed ones are drawn.

    Args:
        differences: (n,), one independent difference per unit.
        stream: key of the random stream, used beyond 40 differences only.
    """
    n = len(differences)
    reached = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if reached <= 0:
        return 1.0
    if n > MOST_ENUMERATED:
        generator = seeding.generator(*stream)
        signs = generator.integers(0, 2, (MONTE_CARLO, n), dtype=np.int8) * 2 - 1
        extreme = np.count_nonzero(np.abs(signs @ differences) >= reached)
        return float((extreme + 1) / (MONTE_CARLO + 1))
    first, second = _signed_sums(differences[: n // 2]), _signed_sums(differences[n // 2 :])
    below = np.searchsorted(second, reached - first)
    return float(2 * np.sum(len(second) - below) / 2.0**n)


def _signed_sums(values: Array) -> Array:
    """Return the sums under all sign patterns, sorted."""
    sums = np.zeros(1)
    for value in values:
        # a stable sort merges the two sorted halves
        sums = np.sort(np.concatenate([sums - value, sums + value]), kind="stable")
    return sums


def wilcoxon(differences: Array) -> tuple[float, float]:
    """Return Wilcoxon's signed-rank p-value and the matched-pairs rank-biserial correlation.

    Zeros are ranked and then left out. Up to 40 differences the p-value is exact, with ties too.

    Source: Pratt 1959 (zeros); Kerby 2014 (rank-biserial).
    """
    ranks = stats.rankdata(np.abs(differences)) * np.sign(differences)
    if not ranks.any():
        return 1.0, 0.0
    if len(differences) <= MOST_ENUMERATED:
        p = _enumerated(np.rint(2 * ranks).astype(np.int64))  # tied ranks are halves
    else:
        p = float(stats.wilcoxon(differences, zero_method="pratt", method="approx").pvalue)
    return p, float(ranks.sum() / np.abs(ranks).sum())


def _enumerated(ranks: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """Return the two-sided p-value of a sum of signed whole numbers, over all sign patterns."""
    sizes = np.abs(ranks[ranks != 0])
    patterns = np.zeros(sizes.sum() + 1)  # how many patterns give each sum of the positive ranks
    patterns[0] = 1
    for size in sizes:
        patterns[size:] += patterns[:-size].copy()
    sums = 2 * np.arange(len(patterns)) - sizes.sum()
    return float(patterns[np.abs(sums) >= abs(ranks.sum())].sum() / patterns.sum())


def discordant(differences: Array) -> tuple[float, float]:
    """Return McNemar's exact p-value and (only a right - only b right) / (either).

    Args:
        differences: (n,) of 1 (only a is right), -1 (only b) and 0.
    """
    only_a, only_b = int((differences > 0).sum()), int((differences < 0).sum())
    p = float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)
    return p, (only_a - only_b) / (only_a + only_b) if only_a + only_b else 0.0
