"""Equivalence, power and mixed model of a primary comparison: parts of its rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from faithcam.statistics import intervals, mixed, tests
from faithcam.statistics import power as power_of
from faithcam.statistics.scores import Networks

Array = np.ndarray[Any, np.dtype[np.float64]]
Part = dict[str, Any]


def equivalence(values: Array, margin: float, confidence: float) -> Part:
    """Return whether the mean of the units (n,) is surely within -+ margin."""
    low, high = intervals.t_interval(values, 2 * confidence - 1)
    return {
        "low": low,
        "high": high,
        "test": f"TOST, margin {margin:g}",
        "p": tests.equivalence(values, margin),
        "effect": margin,
        "effect_name": "equivalence",
    }


def power(values: Array, margin: float, confidence: float) -> Iterator[Part]:
    """Yield, from two units (n,) on, what they could detect, and how many detect the margin."""
    n, alpha = len(values), 1 - confidence
    if n < 2:
        return
    spread = float(values.std(ddof=1))
    yield {
        "estimate": spread * power_of.detectable(n, alpha),
        "test": f"t test, power {power_of.POWER:g}, margin {margin:g}",
        "effect": power_of.units_needed(margin / spread if spread else np.inf, alpha),
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
