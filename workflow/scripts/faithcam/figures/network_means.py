"""Scores of controls, reduced to one mean per network, and their mean over networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from faithcam.statistics.settings import MODEL
from faithcam.tables import parse_setting


def network_means(scores: pa.Table, models: pa.Table) -> pd.DataFrame:
    """Return each included network's mean scores: a column per method, a row per setting.

    Images: the correctly classified ones whose status is ok; all of them for HAAS, and for networks
    that are exempt from the filter on accuracy.

    Args:
        scores: rows of ``tables.SCORES`` of one metric whose settings name a metric in turn.
        models: rows of ``tables.MODELS``.

    Returns:
        A frame with the columns of the network, of the setting's pairs, and of the methods.
    """
    frame: pd.DataFrame = scores.to_pandas()
    networks = {tuple(row[name] for name in MODEL): row for row in models.to_pylist()}
    included = {key for key, row in networks.items() if row["included"]}
    exempt = {key for key, row in networks.items() if row.get("exempt")}
    pairs = {text: parse_setting(text) for text in frame["setting"].unique()}
    metric = frame["setting"].map({text: found.get("metric", "") for text, found in pairs.items()})
    keys = pd.Series(list(map(tuple, frame[MODEL].to_numpy())), frame.index, dtype=object)
    used = frame["correct"] | (metric == "haas") | keys.isin(exempt)
    frame = frame[(frame["status"] == "ok") & used & keys.isin(included)]
    means = frame.groupby([*MODEL, "setting", "method"])["value"].mean().unstack("method")
    rows = means.reset_index()
    return rows.join(pd.DataFrame([pairs[text] for text in rows["setting"]], rows.index))


def over_networks(
    rows: pd.DataFrame, by: Sequence[str], columns: Sequence[str], confidence: float
) -> pd.DataFrame:
    """Return the mean over networks of each column, with a t interval of the first one.

    Args:
        rows: one per network and point of a curve.
        by: columns that name a point of a curve.
        columns: what to average.
        confidence: level of the interval.

    Returns:
        A row per point: ``by``, ``columns``, ``low``, ``high`` and ``n``.
    """
    found: list[dict[str, Any]] = []
    for key, part in rows.groupby(list(by)):
        values = part.groupby(MODEL)[list(columns)].mean().dropna().to_numpy(np.float64)
        if not len(values):
            continue
        n, means = len(values), values.mean(axis=0)
        half = np.nan
        if n > 1:
            half = stats.t.ppf((1 + confidence) / 2, n - 1) * stats.sem(values[:, 0])
        point = dict(zip([*by, *columns], [*key, *means], strict=True))
        found.append(point | {"low": means[0] - half, "high": means[0] + half, "n": n})
    return pd.DataFrame(found, columns=[*by, *columns, "low", "high", "n"])
