"""Planted parts: their Shapley values, what they contribute to a class score, exactly.

The value v(S) of a set S of parts is the score of the image that has these parts alone. With at
most a few parts all sets can be asked about, so that nothing is sampled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Contributions:
    """Contributions of each part, by three questions: (N, P) float64 each.

    Args:
        shapley: Shapley values; they add up to v(all parts) - v(no part).
        leave_one_out: v(all parts) - v(all others).
        add_one_in: v(the part alone) - v(no part).
    """

    shapley: Array
    leave_one_out: Array
    add_one_in: Array

    @property
    def interaction(self) -> Array:
        """Contribution of a part among the others minus that alone: 0 in a linear game."""
        difference: Array = self.leave_one_out - self.add_one_in
        return difference

    def consistent(self, present: Array) -> Array:
        """Return whether the three put the parts of each image in the same order.

        Args:
            present: which parts an image has, (N, P) bool; the others are not compared.

        Returns:
            (N,) bool, True where there are less than two parts.
        """
        three = (self.shapley, self.leave_one_out, self.add_one_in)
        first, *others = (_order(values) for values in three)
        same = np.all([order == first for order in others], axis=0)
        compared = present[:, :, None] & present[:, None, :]
        agree: Array = (same | ~compared).all((1, 2))
        return agree


def _order(values: Array) -> Array:
    """Return the sign of every difference a_i - a_j: (N, n) -> (N, n, n)."""
    signs: Array = np.sign(values[:, :, None] - values[:, None, :])
    return signs


def contributions(values: Array) -> Contributions:
    """Return what the parts contribute, from the values of all their sets.

    Args:
        values: v(S), (N, 2^P); bit i of the index says whether part i is in S.

    Raises:
        ValueError: if the number of values is no power of two.

    Source: Shapley 1953, 10.1515/9781400881970-018.
    """
    count = values.shape[1].bit_length() - 1
    if values.shape[1] != 2**count:
        raise ValueError(f"values: {values.shape[1]} sets found, expected 2^P for P parts")
    values = values.astype(np.float64)
    parts = [1 << i for i in range(count)]
    full = 2**count - 1
    shapley = []
    for part in parts:
        others = [s for s in range(2**count) if not s & part]
        gains = np.stack([values[:, s | part] - values[:, s] for s in others], 1)
        sizes = [s.bit_count() for s in others]
        shapley.append(gains @ [1 / (count * math.comb(count - 1, size)) for size in sizes])
    return Contributions(
        _columns(shapley),
        _columns([values[:, full] - values[:, full ^ part] for part in parts]),
        _columns([values[:, part] - values[:, 0] for part in parts]),
    )


def _columns(parts: Sequence[Array]) -> Array:
    return np.stack(parts, 1)


def kendall(a: Array, b: Array, asked: Array | None = None) -> Array:
    """Return Kendall's tau-b of each pair of rows; NaN where all entries of one are tied.

    Args:
        a: (N, n).
        b: (N, n); an entry that is NaN in either is left out.
        asked: whose order counts among themselves and against all others, (n,) bool; that of two
            others does not. All of them, if not given.

    Returns:
        (N,) float64.

    Source: Kendall 1945, 10.1093/biomet/33.3.239.
    """
    missing = np.isnan(a) | np.isnan(b)
    x, y = (np.nan_to_num(_order(np.where(missing, np.nan, part))) for part in (a, b))
    if asked is not None:
        counted = asked[:, None] | asked
        x, y = x * counted, y * counted
    pairs = np.sqrt((x**2).sum((1, 2)) * (y**2).sum((1, 2)))
    concordance = (x * y).sum((1, 2))
    tau: Array = np.where(pairs == 0, np.nan, concordance / np.where(pairs == 0, 1, pairs))
    return tau


def agreement(contributions: Array, changes: Array) -> tuple[float, float]:
    """Return the correlation and the relative error of what contributions foretell.

    Args:
        contributions: of parts of any images, (n,).
        changes: falls of the score when each part is rendered away, (n,).

    Returns:
        Pearson's correlation, NaN where either is constant; the sum of absolute differences by that
        of absolute changes, NaN where nothing changes.
    """
    a, b = (values - values.mean() for values in (contributions, changes))
    squares, whole = (a @ a) * (b @ b), np.abs(changes).sum()
    correlation = a @ b / math.sqrt(squares) if squares > 0 else math.nan
    error = np.abs(contributions - changes).sum() / whole if whole > 0 else math.nan
    return float(correlation), float(error)
