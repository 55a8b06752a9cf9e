"""Statistics of ranks, in NumPy."""

from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]


def spearman(a: Array, b: Array) -> Array:
    """Return Spearman's correlation of each pair of rows; mean ranks for ties.

    Args:
        a: (n, k); an entry that is NaN in one of the two is left out.
        b: (n, k).

    Returns:
        (n,); NaN where a row has no two different entries.
    """
    missing = np.isnan(a) | np.isnan(b)
    centred = []
    for values in (a, b):
        ranks = pd.DataFrame(np.where(missing, np.nan, values)).rank(axis=1)
        centred.append(ranks.sub(ranks.mean(axis=1), axis=0).to_numpy())
    a, b = centred
    product, squares = np.nansum(a * b, 1), np.nansum(a**2, 1) * np.nansum(b**2, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(squares > 0, product / np.sqrt(squares), np.nan)


def auc(values: Array, positive: "np.ndarray[Any, np.dtype[np.bool_]]") -> float:
    """Return how often a positive case has the larger value, ties counted half.

    Args:
        values: (n,).
        positive: (n,), some true and some false.
    """
    ranks = pd.Series(values).rank().to_numpy()
    n = int(positive.sum())
    return float((ranks[positive].mean() - (n + 1) / 2) / (len(values) - n))
