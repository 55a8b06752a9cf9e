"""The noise floor: how far an estimate moves when only the noise replicate changes.

Let c_ij = d_ij(replicate 1) - d_ij(replicate 2) be the change of the paired difference of image j
of network i. Noise is keyed by network, image and replicate: the changes are independent and, as
the two replicates are exchangeable, have mean zero. So the change of the mean over J_i images has
variance sum_j var(c_ij) / J_i^2, which sum_j c_ij^2 / J_i^2 estimates without bias, and that of a
weighted mean over networks has the sum of their variances times the squared weights. Taking the
change of a mean as normal, the 95 % quantile of its size, the floor, is 1.96 times its standard
deviation::

    network i:           floor_i = 1.96 sqrt(sum_j c_ij^2) / J_i
    mean over networks:  floor   = sqrt(sum_i (w_i floor_i)^2),  w_i = 1 / n for a plain mean

Where one draw moves all images of a network together, as new weights do, their changes are not
independent. Then the change of a network's mean is one number c_i, and the floor is that of n such
numbers, with Student's t for their few degrees of freedom::

    floor = t_n(0.975) sqrt(sum_i (w_i c_i)^2)

An estimate from one replicate has half the variance of such a change: floors err on the safe side.
"""

from typing import Any

import numpy as np
from scipy import stats

Array = np.ndarray[Any, np.dtype[np.float64]]

SHARE = 0.95


def of_networks(changes: Array, counts: Array) -> Array:
    """Return the floor of each network's mean over images.

    Args:
        changes: c (M, I); NaN where an image does not count.
        counts: images behind each network's estimate, J (M,).

    Returns:
        (M,); NaN for a network without any change.
    """
    there = (~np.isnan(changes)).sum(axis=1)
    squares = np.nansum(changes**2, axis=1)
    # the images without a score in one of the replicates are taken to be like the others
    variance = np.divide(squares, there * counts, out=np.full(len(there), np.nan), where=there > 0)
    return np.asarray(stats.norm.ppf((1 + SHARE) / 2) * np.sqrt(variance))


def of_mean(floors: Array, weights: Array) -> float:
    """Return the floor of a weighted mean of independent networks: (M,), (M,) -> a number."""
    return float(np.sqrt(((weights * floors) ** 2).sum()))


def of_draws(changes: Array, weights: Array) -> float:
    """Return the floor of a weighted mean of networks whose images share each draw.

    Args:
        changes: c (M, I); NaN where an image does not count.
        weights: of the networks (M,).

    Returns:
        A number; NaN if a network has no change.
    """
    there = ~np.isnan(changes)
    means = np.divide(
        np.nansum(changes, axis=1),
        there.sum(axis=1),
        out=np.full(len(changes), np.nan),
        where=there.any(axis=1),
    )
    quantile = stats.t.ppf((1 + SHARE) / 2, len(means))
    return float(quantile * np.sqrt(((weights * means) ** 2).sum()))


def of_image(changes: Array) -> float:
    """Return the 95 % quantile of |c| over the images (I,) of one network, NaN left out."""
    sizes = np.abs(changes[~np.isnan(changes)])
    return float(np.quantile(sizes, SHARE)) if len(sizes) else np.nan
