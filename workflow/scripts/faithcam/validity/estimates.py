"""Means over networks with standard errors, and intervals adjusted for many of them (Holm)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from faithcam.statistics.intervals import Resampling, two_way_error

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Estimate:
    """A mean over independent units.

    Args:
        value: the mean; NaN without a unit.
        error: its standard error; NaN where there is none.
        freedom: its degrees of freedom; 0 where there is no error.
        units: how many units it is over.
    """

    value: float
    error: float
    freedom: float
    units: int

    def p(self, sign: int) -> float:
        """Return the one-sided p-value of sign * mean <= 0; 1 where there is no error."""
        if not self.error >= 0 or self.freedom < 1:
            return 1.0
        if self.error == 0:
            return float(sign * self.value <= 0)
        return float(stats.t.sf(sign * self.value / self.error, self.freedom))

    def end(self, sign: int, level: float) -> float:
        """Return the upper (sign 1) or lower (-1) end that the mean is beyond with ``level``."""
        if not self.error >= 0 or self.freedom < 1:
            return np.nan
        return self.value + sign * float(stats.t.isf(level, self.freedom)) * self.error


@dataclass(frozen=True)
class Ends:
    """An interval: ``low``, ``high`` and its two-sided ``level`` (confidence)."""

    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Design:
    """Design of a data set: how its networks and images belong together.

    With one network alone the unit is the image, or the group of images (patient).

    Args:
        seeds: training seed of each network, (K,).
        groups: group of each image, (I,).
        nested: whether each seed has images of its own: then the unit is the seed.
        resampling: of the images and networks.
    """

    seeds: np.ndarray[Any, Any]
    groups: np.ndarray[Any, Any]
    nested: bool
    resampling: Resampling

    @property
    def alone(self) -> bool:
        """Whether there is one network."""
        return len(self.seeds) == 1

    @cached_property
    def units(self) -> int:
        """Number of units."""
        if self.alone:
            return len(np.unique(self.groups))
        return len(np.unique(self.seeds)) if self.nested else len(self.seeds)

    @property
    def unit(self) -> str:
        """What the units are, in the plural."""
        if self.alone:
            return "images" if self.units == len(self.groups) else "groups of images"
        return "seeds" if self.nested else "networks"

    def estimate(self, values: Array) -> Estimate:
        """Return the mean over units of the networks' means over images.

        Args:
            values: (K, I); NaN where there is none.
        """
        there = ~np.isnan(values)
        some = there.any(axis=1)
        if not some.any():
            return Estimate(np.nan, np.nan, 0, 0)
        if self.alone:
            return self._over_images(values[0])
        if self.nested:
            return self._over_seeds(values[some], self.seeds[some])
        values = values[some]
        means = np.nanmean(values, axis=1)
        images = len(np.unique(self.groups[there.any(axis=0)]))
        resampled = self.resampling.means(values)
        drawn = self.resampling.networks(len(values))
        error, freedom = two_way_error(means, resampled, drawn, images)
        return Estimate(float(means.mean()), error, freedom, len(values))

    def _over_images(self, values: Array) -> Estimate:
        there = ~np.isnan(values)
        _, group = np.unique(self.groups[there], return_inverse=True)
        means = np.bincount(group, values[there]) / np.bincount(group)
        return _of_units(means)

    @staticmethod
    def _over_seeds(values: Array, seeds: np.ndarray[Any, Any]) -> Estimate:
        """Return the mean over seeds: their architectures share images and are averaged first."""
        units, own = [], []
        for seed in np.unique(seeds):
            of_seed = values[seeds == seed]
            images = np.nanmean(of_seed[:, ~np.isnan(of_seed).all(axis=0)], axis=0)
            units.append(np.nanmean(of_seed, axis=1).mean())
            own.append(images.var(ddof=1) / len(images) if len(images) > 1 else 0.0)
        estimate = _of_units(np.array(units))
        error = max(estimate.error, float(np.sqrt(np.sum(own))) / len(units))
        return Estimate(estimate.value, error, estimate.freedom, estimate.units)


def _of_units(means: Array) -> Estimate:
    n = len(means)
    if n < 2:
        return Estimate(float(means.mean()), np.nan, 0, n)
    return Estimate(float(means.mean()), float(means.std(ddof=1) / np.sqrt(n)), n - 1, n)


def holm_levels(p: Array, alpha: float) -> Array:
    """Return the level at which Holm's procedure tests each of some hypotheses.

    A hypothesis is rejected, family-wise at ``alpha``, exactly where its p-value is below its
    level: the smallest p-value is held against alpha / m, the next against alpha / (m - 1), and so
    on; from the first one that is not rejected on, all have that one's level.

    Args:
        p: p-values (m,).
        alpha: family-wise error.

    Source: Holm 1979.
    """
    order = np.argsort(p, kind="stable")
    levels = alpha / np.arange(len(p), 0, -1)
    kept = p[order] >= levels
    if kept.any():
        levels[kept.argmax() :] = levels[kept.argmax()]
    result = np.empty(len(p))
    result[order] = levels
    return result


def holm_ends(estimates: Sequence[Estimate], confidence: float) -> list[Ends]:
    """Return an interval of each mean: 0 is outside where Holm's procedure establishes a sign.

    Lower ends are one family of one-sided tests, upper ends another, each with half of the error.

    Args:
        estimates: the means.
        confidence: of all of them together.
    """
    alpha = (1 - confidence) / 2
    below, above = (
        holm_levels(np.array([e.p(sign) for e in estimates]), alpha) for sign in (1, -1)
    )
    return [
        Ends(e.end(-1, float(a)), e.end(1, float(b)), float(1 - a - b))
        for e, a, b in zip(estimates, below, above, strict=True)
    ]
