"""The multiverse: HiResCAM - Grad-CAM in every declared way to take a metric.

Instead of one number of wins: all specifications, each with its interval and noise floor.

AOPC (scores of the metric ``multiverse``): view of the map x explained score (logit or centred) x
grid x offset x imputer x normalisation (raw, or range: divided by f(x0) - f(all removed), of
images where that is above ``SMALLEST_RANGE``) x images (correctly classified, all).
Max-Sensitivity: protocol x radius x version x explained score x images. HAAS: protocol x class x
explained score, on all images.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.results.declared import THESIS
from faithcam.statistics.settings import PAIR
from faithcam.validity.evidence import Evidence
from faithcam.validity.frames import expanded, key_of, network_means, ok, where
from faithcam.validity.outcomes import Estimate

SMALLEST_RANGE = 0.05
WIN, WITHIN, LOSS = "win", "within floor", "loss"
FACTORS = {
    "aopc": ["view", "explained_score", "grid", "offset", "imputer", "normalisation"],
    "max_sensitivity": ["protocol", "radius", "version", "explained_score"],
    "haas": ["protocol", "explained_class", "explained_score"],
}
IMAGES = {"aopc": ("correct", "all"), "max_sensitivity": ("correct", "all"), "haas": ("all",)}


def outcome(estimate: Estimate) -> str:
    """Return win or loss if the interval and the floor leave zero out, else within floor.

    ``within floor`` is all the rest, intervals that hold zero among it: low, high and floor tell
    them apart.
    """
    floor = 0.0 if np.isnan(estimate.floor) else estimate.floor
    if estimate.low > 0 and estimate.estimate > floor:
        return WIN
    if estimate.high < 0 and estimate.estimate < -floor:
        return LOSS
    return WITHIN


def specifications(dataset: str, evidence: Evidence) -> list[dict[str, Any]]:
    """Return the rows of ``MULTIVERSE`` of one data set."""
    return [
        {
            "dataset": dataset,
            "metric": metric,
            "specification": specification,
            **vars(estimate),
            "outcome": outcome(estimate),
        }
        for metric in FACTORS
        for specification, estimate in _estimates(evidence, metric)
    ]


def _estimates(evidence: Evidence, metric: str) -> Iterator[tuple[str, Estimate]]:
    """Yield each specification with its mean over units and, if it has two streams, its floor."""
    rows = _aopc(evidence) if metric == "aopc" else _both_protocols(evidence, metric)
    if rows.empty:
        return
    for images in IMAGES[metric]:
        chosen = rows[rows["correct"]] if images == "correct" else rows
        for values, part in chosen.groupby(FACTORS[metric], observed=True):
            factors = dict(zip(FACTORS[metric], map(str, values), strict=True))
            streams = part.pivot(index=key_of(part), columns="replicate", values="difference")
            changes = (streams["0"] - streams["1"]).dropna() if "1" in streams else None
            estimate = evidence.over_units(network_means(streams["0"]), changes)
            yield str(Setting.of(**factors, images=images)), estimate


def _paired(rows: pd.DataFrame, metric: str, sign: int) -> pd.DataFrame:
    """Return HiResCAM - Grad-CAM, oriented (``difference``), per image and specification."""
    texts = ["method", "protocol", "replicate", *FACTORS[metric]]
    rows = rows.astype(dict.fromkeys(texts, str))
    key = [*key_of(rows), "correct", "replicate", *FACTORS[metric]]
    values = rows.pivot(index=key, columns="method", values="value").reindex(columns=list(PAIR))
    difference = sign * (values[PAIR[0]] - values[PAIR[1]]).dropna()
    return difference.rename("difference").reset_index()


def _aopc(evidence: Evidence) -> pd.DataFrame:
    rows = ok(evidence.expanded("multiverse"))
    if rows.empty:
        return rows
    image = ["network", "image_id", "replicate", "imputer"]
    ranges = where(rows, output="range")[[*image, "value"]]
    raw = rows[rows["output"] != "range"].assign(normalisation="raw")
    raw = _paired(raw, "aopc", evidence.evaluations.sign("multiverse"))
    scaled = raw.merge(ranges, on=image)
    scaled = scaled[scaled["value"] > SMALLEST_RANGE].assign(normalisation="range")
    scaled["difference"] /= scaled.pop("value")
    return pd.concat([raw, scaled])


def _both_protocols(evidence: Evidence, metric: str) -> pd.DataFrame:
    thesis, strict = evidence.rows(metric, THESIS), ok(evidence.rows(metric))
    parts = []
    for rows, explained_score in ((thesis, "logit"), (strict, "centred")):
        rows = rows[rows["method"].isin(PAIR)]
        if len(rows):
            columns = expanded(rows)
            parts.append(
                columns.assign(explained_score=_filled(columns, "explained_score", explained_score))
            )
    if not parts:
        return strict.iloc[:0]
    rows = pd.concat(parts)
    rows = rows.assign(replicate=_filled(rows, "replicate", "0"))
    # whether the prediction is kept is another question than whether it is right
    rows = rows[_filled(rows, "outcome", "") == ""]
    return _paired(rows, metric, evidence.evaluations.sign(metric))


def _filled(rows: pd.DataFrame, name: str, default: str) -> "pd.Series[str]":
    """Return a fact, ``default`` where the setting does not name it."""
    known = rows[name] if name in rows else pd.Series("", rows.index)
    return known.astype(object).fillna("").replace("", default)
