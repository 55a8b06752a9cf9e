"""Power and mixed model of a primary comparison: parts of its rows."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.power import TTestPower

from faithcam.statistics import mixed
from faithcam.statistics.scores import Networks

Array = np.ndarray[Any, np.dtype[np.float64]]
Part = dict[str, Any]
POWER = 0.8


@cache
def detectable(n: int, alpha: float) -> float:
    """Return the smallest mean, in standard deviations, that a t test detects.

    Args:
        n: number of units, at least 2.
        alpha: two-sided level of the one-sample t test, not adjusted for other tests.
    """
    return float(TTestPower().solve_power(nobs=n, alpha=alpha, power=POWER))


def power(values: Array, confidence: float) -> Iterator[Part]:
    """Yield, from two units (n,) on, the smallest difference that they could detect."""
    n = len(values)
    if n >= 2:
        yield {
            "estimate": float(values.std(ddof=1)) * detectable(n, 1 - confidence),
            "test": f"t test, power {POWER:g}",
            "effect_name": "power",
            "floor": np.nan,
        }


def mixed_model(
    networks: Networks, differences: Array, labels: Array, confidence: float, *, nested: bool
) -> Iterator[Part]:
    """Yield the mixed model's mean and factors.

    Args:
        networks: M of them.
        differences: (M, I), NaN where an image does not count.
        labels: true classes (M, I).
        confidence: level of the interval.
        nested: whether each training seed draws its own images.
    """
    parts = []
    for label in np.unique(labels[~np.isnan(differences)]):
        chosen = np.where(labels == label, differences, np.nan)
        there = (~np.isnan(chosen)).any(axis=1)
        means = {"value": np.nanmean(chosen[there], axis=1), "class": label}
        known = {"architecture": networks.architectures[there], "seed": networks.seeds[there]}
        parts.append(pd.DataFrame(means | known))
    for effect in mixed.fit(pd.concat(parts), confidence, nested=nested):
        yield {
            "n": len(networks),
            **{name: getattr(effect, name) for name in ("estimate", "low", "high", "p", "effect")},
            "test": effect.text,
            "effect_name": f"mixed model, {effect.factor}" if effect.factor else "mixed model",
            "floor": np.nan,
        }
