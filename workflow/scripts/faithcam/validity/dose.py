"""Dose-response: heads between spatially constant weights (t = 0) and the trained ones (t = 1).

At t = 0 HiResCAM and Grad-CAM are the same map; the further t goes, the more they differ. A metric
of faithfulness prefers HiResCAM the more, the larger the dose; the sham has doses, too.
"""

from typing import Any

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.validity.case import Case, Measured
from faithcam.validity.frames import counted, ok, where, wide
from faithcam.validity.ranks import Array

KINDS = {"aopc": "rank", "max_sensitivity": "norm", "haas": "norm"}


def by_dose(rows: pd.DataFrame, **wanted: str) -> dict[str, pd.DataFrame]:
    """Return each method's ok values, a row per network and image, a column per t, growing."""
    rows = ok(where(rows, **wanted))
    if rows.empty:
        return {}
    rows = rows.assign(t=rows["t"].astype(str).astype(float))
    return {
        str(method): wide(part, "t").sort_index(axis=1)
        for method, part in rows.groupby("method", observed=True)
    }


def slope(x: Array, y: Array) -> float:
    """Return the least-squares slope of y over x; NaN if x does not vary."""
    centred = x - x.mean()
    squares = float((centred**2).sum())
    return float((centred * y).sum() / squares) if squares > 0 else np.nan


def _slopes(scores: dict[str, pd.DataFrame], doses: dict[str, pd.DataFrame], method: str) -> Any:
    """Return each network's slope of method - Grad-CAM over the method's dose.

    Both are averaged over the network's images first: one image's dose may hardly vary.
    """
    change = (scores[method] - scores["gradcam"]).dropna()
    dose = doses[method].reindex(change.index)
    complete = dose.notna().all(axis=1)
    change, dose = (table[complete].groupby(level="network").mean() for table in (change, dose))
    return pd.Series(
        {
            name: slope(dose.loc[name].to_numpy(), change.loc[name].to_numpy())
            for name in dose.index
        },
        dtype=float,
    )


def sham_slopes(case: Case) -> list[Measured]:
    """Return the slope of HiResCAM - Grad-CAM over the dose minus that of sham - Grad-CAM."""
    rows = counted(case.evidence.expanded("dose_response"), case.metric)
    kind = KINDS[case.metric]
    scores = by_dose(rows, metric=case.metric)
    doses = by_dose(rows, metric="dose", kind=kind)
    if not ({"hirescam", "gradcam", "sham"} <= set(scores) and {"hirescam", "sham"} <= set(doses)):
        return []
    gain = _slopes(scores, doses, "hirescam") - _slopes(scores, doses, "sham")
    estimate = case.evidence.over_units(case.sign * gain)
    return [Measured(Setting.of(kind=kind, metric=case.metric), estimate)]
