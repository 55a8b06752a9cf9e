"""Reliability of a metric under other noise, and convergence of its mean."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.statistics.reliability import icc_average, split_half
from faithcam.statistics.settings import PAIR
from faithcam.validity.case import Case, Measure, Measured
from faithcam.validity.frames import counted, ok, where, wide
from faithcam.validity.ranks import Array

# what is drawn again, by metric; HAAS has no noise
REPEATED = {"aopc": "draw", "max_sensitivity": "block"}


def _differences(case: Case) -> pd.DataFrame:
    """Return HiResCAM - Grad-CAM, a row per network and image.

    Columns: AOPC: one per draw. Max-Sensitivity: one per number of samples and block.
    """
    name = REPEATED[case.metric]
    rows = counted(ok(case.evidence.expanded("convergence")), case.metric)
    rows = where(rows, metric=case.metric)
    if rows.empty:
        return pd.DataFrame()
    keys = [name, "samples"] if case.metric == "max_sensitivity" else [name]
    rows = rows.astype(dict.fromkeys(keys, str)).astype(dict.fromkeys(keys, int))
    parts = [wide(where(rows, method=method), keys) for method in PAIR]
    if any(part.empty for part in parts):
        return pd.DataFrame()
    return (case.sign * (parts[0] - parts[1])).dropna().sort_index(axis=1)


def _repetitions(case: Case) -> tuple[Setting, pd.DataFrame]:
    """Return (setting, differences with a column per repetition) closest to the metric's own."""
    differences = _differences(case)
    if case.metric == "aopc" or differences.empty:
        return Setting.of(draws=differences.shape[1]), differences
    most = int(case.setting["samples"])
    there = differences.columns.get_level_values("samples")
    samples = max((n for n in there if n <= most), default=min(there))
    setting = Setting.of(blocks=2, samples=samples)
    chosen: pd.DataFrame = differences.loc[:, there == samples]
    return setting, chosen


def over_networks(statistic: Callable[[Array], float]) -> Measure:
    """Return the measure: a statistic of each network's differences (images, repetitions)."""

    def measure(case: Case) -> list[Measured]:
        setting, differences = _repetitions(case)
        if differences.shape[1] < 2:
            return []
        values = {
            network: statistic(part.to_numpy()) if len(part) > 1 else np.nan
            for network, part in differences.groupby(level="network")
        }
        estimate = case.evidence.over_units(pd.Series(values, dtype=float))
        return [Measured(setting, estimate)]

    return measure


reliability = over_networks(icc_average)
halves = over_networks(split_half)


def convergence(case: Case) -> list[Measured]:
    """Return the mean of HiResCAM - Grad-CAM with a growing number of draws or samples."""
    differences = _differences(case)
    if differences.empty:
        return []
    if case.metric == "aopc":
        means = differences.T.expanding().mean().set_axis(range(1, differences.shape[1] + 1)).T
    else:
        means = differences.T.groupby(level="samples").mean().T
    means = means.groupby(level="network").mean()
    unit = "draws" if case.metric == "aopc" else "samples"
    return [Measured(Setting.of(**{unit: n}), case.evidence.over_units(means[n])) for n in means]
