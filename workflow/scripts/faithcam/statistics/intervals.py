"""Intervals of mean paired differences: over networks, over images, over both."""

import warnings
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy import stats

from faithcam.core import seeding

Array = np.ndarray[Any, np.dtype[np.float64]]
Interval = tuple[float, float]

NOTHING = (np.nan, np.nan)


def t_interval(values: Array, confidence: float) -> Interval:
    """Return Student's interval of the mean of independent units (n,); NaN for fewer than two."""
    n = len(values)
    if n < 2:
        return NOTHING
    return around(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)), n - 1, confidence)


def around(estimate: float, error: float, freedom: float, confidence: float) -> Interval:
    """Return estimate -+ t quantile * standard error; NaN without a degree of freedom."""
    if freedom < 1:
        return NOTHING
    half = _quantile(freedom, confidence) * error
    return estimate - half, estimate + half


@cache
def _quantile(freedom: float, confidence: float) -> float:
    return float(stats.t.ppf((1 + confidence) / 2, freedom))


def bca(values: Array, confidence: float, resamples: int, *stream: str | int) -> Interval:
    """Return the bias-corrected and accelerated bootstrap interval of the mean of units (n,).

    Source: Efron 1987, 10.1080/01621459.1987.10478410.
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap(
            (values,),
            np.mean,
            vectorized=True,
            n_resamples=resamples,
            batch=max(1, 10**7 // len(values)),
            confidence_level=confidence,
            method="BCa",
            rng=seeding.generator(*stream),
        ).confidence_interval
    return float(interval.low), float(interval.high)


class Resampling:
    """Keyed bootstrap resamples of a data set's images, and of networks.

    Images of one group (a patient) are drawn together. All rows share the resamples of images.

    Args:
        groups: group of each image (I,).
        resamples: R.
        stream: key of the random streams.
    """

    def __init__(self, groups: np.ndarray[Any, Any], resamples: int, *stream: str | int) -> None:
        unique, self._group = np.unique(groups, return_inverse=True)
        self.groups, self._resamples, self._stream = len(unique), resamples, stream
        self.networks = cache(self._networks)

    @cached_property
    def _images(self) -> Array:
        """Return how often each resample holds each image (R, I)."""
        return self._counts(self.groups, "images")[:, self._group]

    def _networks(self, count: int) -> Array:
        """Return how often each resample holds each of ``count`` networks (R, count)."""
        return self._counts(count, "networks", count)

    def _counts(self, n: int, *purpose: str | int) -> Array:
        generator = seeding.generator(*self._stream, *purpose)
        return generator.multinomial(n, np.full(n, 1 / n), self._resamples).astype(np.float64)

    def ratios(self, numerators: Array, denominators: Array) -> Array:
        """Return sum(numerators) / sum(denominators) of networks over resampled images.

        Args:
            numerators: (M, I).
            denominators: (M, I), >= 0.

        Returns:
            (R, M); NaN where the denominators add up to zero.
        """
        below = self._images @ denominators.T
        return np.divide(
            self._images @ numerators.T, below, out=np.full_like(below, np.nan), where=below > 0
        )

    def means(self, values: Array) -> Array:
        """Return the networks' means over resampled images: (M, I), NaN if missing -> (R, M)."""
        there = ~np.isnan(values)
        return self.ratios(np.where(there, values, 0.0), there.astype(np.float64))


def percentile(resampled: Array, counts: Array, confidence: float) -> list[Interval]:
    """Return the percentile interval of each network's resamples.

    Args:
        resampled: (R, M); NaN, where a resample holds no image that counts, is left out.
        counts: images behind each network (M,); NaN for fewer than two.
        confidence: level of the intervals.
    """
    shares = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = []
    for column, count in zip(resampled.T, counts, strict=True):
        column = column[~np.isnan(column)]
        if count > 1 and len(column):
            low, high = np.quantile(column, shares)
            ends.append((float(low), float(high)))
        else:
            ends.append(NOTHING)
    return ends


def two_way(
    means: Array, resampled: Array, networks: Array, groups: int, confidence: float
) -> Interval:
    """Return an interval of a mean over networks that speaks of other networks and other images.

    All networks see the same images, so both are resampled, independently; the variance of the
    resampled means is that of the mean. Units are few, and percentiles would be too narrow: what
    resampling n units leaves out, 1 / n of their part of the variance, is added, and the interval
    is Student's with the Welch-Satterthwaite degrees of freedom of both parts. Where images do not
    matter it is the t interval over networks.

    Args:
        means: the networks' means over images (M,).
        resampled: the same over resampled images (R, M).
        networks: how often each resample holds each network (R, M).
        groups: number of images, or of groups of them, that are resampled together.
        confidence: level of the interval.

    Returns:
        NaN with fewer than two networks or groups.

    Source: Owen 2007, 10.1214/07-AOAS122 (resampling both; its error is on the safe side).
    """
    return around(
        float(means.mean()), *two_way_error(means, resampled, networks, groups), confidence
    )


def two_way_error(
    means: Array, resampled: Array, networks: Array, groups: int
) -> tuple[float, float]:
    """Return the standard error and the degrees of freedom behind :func:`two_way`.

    NaN and 0 with fewer than two networks or groups.
    """
    n = len(means)
    if n < 2 or groups < 2:
        return np.nan, 0.0
    both = _weighted(resampled, networks).var(ddof=1)
    of_networks = means.var(ddof=1) / n
    of_images = _weighted(resampled, np.ones_like(networks)).var(ddof=1) * groups / (groups - 1)
    parts = of_networks**2 / (n - 1) + of_images**2 / (groups - 1)
    freedom = (of_networks + of_images) ** 2 / parts if parts else n - 1
    return float(np.sqrt(both + of_networks / n + of_images / groups)), float(freedom)


def _weighted(resampled: Array, weights: Array) -> Array:
    """Return weighted means over networks, (R, M) each -> at most (R,), NaN left out."""
    weights = np.where(np.isnan(resampled), 0.0, weights)
    sums = (weights * np.nan_to_num(resampled)).sum(axis=1)
    there = weights.sum(axis=1) > 0
    return np.asarray(sums[there] / weights.sum(axis=1)[there])
