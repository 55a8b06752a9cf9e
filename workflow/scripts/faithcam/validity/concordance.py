"""Concordance: how often a metric prefers the map that is nearer to the truth.

Source: Harrell et al. 1982, 10.1001/jama.1982.03320430047030 (c-index; 2 C - 1 is Somers' D).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

LEAST = 0.05  # two candidates whose q differ by no more are no pair
TIE = 1e-9  # of the largest value: a smaller difference is none
BINS = (0.05, 0.1, 0.2, 0.4, 0.8, 2.0)  # of |dq|
_AT_ONCE = 2**22  # comparisons in memory


@dataclass(frozen=True)
class Concordance:
    """Concordance of E evaluations with the truth of I images, over their candidates.

    Args:
        c: share of the pairs in which the nearer map is preferred, ties 1/2, (E, I); NaN without
            a pair.
        pairs: how many pairs count, (E, I).
        tied: how many of them are ties, (E, I).
        undefined: pairs left out because the metric has no value for one of the maps, (E, I).
        by_gap: ``c`` of the pairs with |dq| between two ``BINS``, (len(BINS) - 1, E, I).
    """

    c: Array
    pairs: Array
    tied: Array
    undefined: Array
    by_gap: Array


def c_index(values: Array, q: Array, halves: Array, scored: Flags | None = None) -> Concordance:
    """Return Harrell's c-index of metrics, per image, over all pairs of its candidates.

    A pair counts if q differs by more than ``LEAST``, with one sign in both halves of the truth,
    and the metric has a finite value for both maps.

    Args:
        values: of the metrics, larger is better, (E, I, M); not finite where undefined.
        q: how near each candidate is to the truth, (I, M); NaN where that is unknown.
        halves: the same for either half of the truth, (2, I, M).
        scored: where a metric was asked at all, (E, I, M); None: everywhere. Pairs of maps that
            it was not asked about are not counted as undefined.
    """
    evaluations, images, candidates = values.shape
    first, second = np.triu_indices(candidates, 1)
    parts = []
    rows = max(1, _AT_ONCE // max(1, evaluations * len(first)))
    for start in range(0, images, rows):
        part = slice(start, start + rows)
        asked = None if scored is None else scored[:, part]
        parts.append(_of_pairs(values[:, part], q[part], halves[:, part], asked, first, second))
    counts = np.concatenate(parts, axis=3) if parts else np.zeros((4, len(BINS), evaluations, 0))
    wins, pairs, tied, wanted = counts
    with np.errstate(invalid="ignore"):
        by_gap = wins / pairs
        c = wins.sum(0) / pairs.sum(0)
    undefined = (wanted - pairs).sum(0)
    return Concordance(c, pairs.sum(0), tied.sum(0), undefined, by_gap[: len(BINS) - 1])


def _of_pairs(
    values: Array, q: Array, halves: Array, scored: Flags | None, first: Any, second: Any
) -> Array:
    """Return what is summed over pairs: (4, bins, E, I): wins, pairs, ties, pairs asked about.

    The last bin is of the |dq| beyond all ``BINS``; there are none.
    """
    gap = q[:, first] - q[:, second]
    signs = np.sign(halves[:, :, first] - halves[:, :, second])
    nearer = np.sign(gap)
    # rounding must not make a pair of two that differ by .05
    eligible = (np.abs(gap) > LEAST + 1e-12) & (signs == nearer).all(axis=0)
    places = np.clip(np.searchsorted(BINS, np.abs(np.nan_to_num(gap)), "left") - 1, 0, None)
    bins = eligible[..., None] & (places[..., None] == np.arange(len(BINS)))  # (I, P, bins)
    count = bins.astype(np.float32)  # sums of so few whole numbers are exact

    finite = np.isfinite(values)
    asked = np.ones_like(finite) if scored is None else scored
    values = np.where(finite, values, 0.0)
    change = values[:, :, first] - values[:, :, second]
    change[np.abs(change) <= TIE * np.abs(values).max(axis=2, keepdims=True)] = 0
    defined = _both(finite & asked, first, second)
    prefers = np.sign(change, dtype=np.float32) * defined
    pairs = _summed(defined, count)
    signed = count * np.nan_to_num(nearer)[..., None].astype(np.float32)
    wins = (_summed(prefers, signed) + pairs) / 2
    tied = pairs - _summed(np.abs(prefers), count)
    wanted = _summed(_both(asked, first, second), count)
    return np.stack(np.broadcast_arrays(wins, pairs, tied, wanted))


def _both(flags: Flags, first: Any, second: Any) -> Any:
    """Return where both maps of a pair have a flag, (E, I, P) float32; one (1, I, P) if all do."""
    if flags.all():
        return np.ones((1, flags.shape[1], len(first)), np.float32)
    return (flags[:, :, first] & flags[:, :, second]).astype(np.float32)


def _summed(of_pairs: Any, weights: Any) -> Array:
    """Return sums over pairs, (E, I, P) and (I, P, bins) -> (bins, E, I) float64."""
    sums = np.swapaxes(of_pairs, 0, 1) @ weights
    return np.asarray(sums.transpose(2, 1, 0), np.float64)
