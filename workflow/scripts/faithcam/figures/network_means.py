"""Scores of controls, reduced to one mean per network, and their mean over units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import MODEL, columns_of


def network_means(frame: pd.DataFrame, models: pa.Table) -> pd.DataFrame:
    """Return each included network's mean scores: a column per method, a row per setting.

    Images: the correctly classified ones whose status is ok; all of them for HAAS, and for networks
    that are exempt from the filter on accuracy.

    Args:
        frame: rows of ``SCORES`` of one metric whose settings name a metric in turn.
        models: rows of ``MODELS``.

    Returns:
        A frame with the columns of the network, of the setting's pairs, and of the methods.
    """
    networks = {tuple(row[name] for name in MODEL): row for row in models.to_pylist()}
    included = {key for key, row in networks.items() if row["included"]}
    exempt = {key for key, row in networks.items() if row.get("exempt")}
    metric = columns_of(frame["setting"]).get("metric")
    keys = pd.Series(list(map(tuple, frame[MODEL].to_numpy())), frame.index, dtype=object)
    used = frame["correct"] | (metric == "haas") | keys.isin(exempt)
    frame = frame[(frame["status"] == "ok") & used & keys.isin(included)]
    means = frame.groupby([*MODEL, "setting", "method"])["value"].mean().unstack("method")
    rows = means.reset_index()
    return rows.join(columns_of(rows["setting"]))


def unit_columns(*, nested: bool) -> list[str]:
    """Return the columns that name a unit: the network, or the seed where it draws the images."""
    return ["seed"] if nested else MODEL


def plural(unit: Sequence[str]) -> str:
    """Return what the units are called."""
    return "seeds" if list(unit) == ["seed"] else "networks"


def over_units(
    rows: pd.DataFrame,
    by: Sequence[str],
    columns: Sequence[str],
    unit: Sequence[str],
    confidence: float,
) -> pd.DataFrame:
    """Return the mean over units of each column, with a t interval of the first one.

    Args:
        rows: of one data set: one per network and point of a curve.
        by: columns that name a point of a curve.
        columns: what to average: first over a network's rows, then over the networks of a unit.
        unit: see :func:`unit_columns`.
        confidence: level of the interval.

    Returns:
        A row per point: ``by``, ``columns``, ``low``, ``high`` and ``n``.
    """
    points: list[dict[str, Any]] = []
    for key, part in rows.groupby(list(by)):
        networks = part.groupby(MODEL)[list(columns)].mean().dropna()
        values = networks.groupby(level=list(unit)).mean().to_numpy(np.float64)
        if not len(values):
            continue
        low, high = t_interval(values[:, 0], confidence)
        point = dict(zip([*by, *columns], [*key, *values.mean(axis=0)], strict=True))
        points.append(point | {"low": low, "high": high, "n": len(values)})
    return pd.DataFrame(points, columns=[*by, *columns, "low", "high", "n"])
