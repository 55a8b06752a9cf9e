"""The multiverse: HiResCAM - Grad-CAM in every declared way to take a metric.

Instead of one number of wins: all specifications, each with its interval and noise floor.

AOPC (scores of the metric ``multiverse``): view of the map x explained score (logit or centred) x
grid x offset x imputer x normalisation (raw, or range: divided by f(x0) - f(all removed), of
images where that is above ``SMALLEST_RANGE``) x images (correctly classified, all).
Max-Sensitivity: protocol x radius x version x explained score x images. HAAS: protocol x
explained class x explained score, on all images.

The unit of inference is the trained network. Where every training seed draws images of its own,
the networks of a seed share them: architectures are averaged first, and the unit is the seed.
Only networks with a Flatten head count: with GAP both maps of a network are the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faithcam.core.setting import Setting
from faithcam.results import io as tables
from faithcam.results.declared import STRICT, THESIS, Evaluations
from faithcam.statistics import floor
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import PAIR, columns_of, where
from faithcam.validity.tables import MULTIVERSE, MULTIVERSE_KEY

SMALLEST_RANGE = 0.05
WIN, WITHIN, LOSS = "win", "within floor", "loss"
FACTORS = {
    "aopc": ["view", "explained_score", "grid", "offset", "imputer", "normalisation"],
    "max_sensitivity": ["protocol", "radius", "version", "explained_score"],
    "haas": ["protocol", "explained_class", "explained_score"],
}
IMAGES = {"aopc": ("correct", "all"), "max_sensitivity": ("correct", "all"), "haas": ("all",)}
SPECIFIED = ["multiverse", "max_sensitivity", "haas"]
TEXT = ["architecture", "protocol", "metric", "setting", "method", "status"]
COLUMNS = [*TEXT, "seed", "image_id", "correct", "value"]
LABEL = "label"  # of a finding, where images have several


@dataclass(frozen=True)
class Estimate:
    """The mean of a difference over units.

    Args:
        n: how many units.
        estimate: the mean, oriented so that larger is better.
        low: lower end of its interval; NaN without one.
        high: upper end.
        floor: 95 % quantile of its change with the noise replicate; NaN without one.
    """

    n: int
    estimate: float
    low: float = np.nan
    high: float = np.nan
    floor: float = np.nan


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


def specifications(
    scores: Path | str, models: pa.Table, evaluations: Evaluations, settings: Mapping[str, Any]
) -> pa.Table:
    """Return every specification of every data set, sorted (``MULTIVERSE``).

    Args:
        scores: path of scores.parquet; only the rows that are needed are read.
        models: rows of ``MODELS``; only included networks are used.
        evaluations: all that were declared.
        settings: ``statistics`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
    """
    networks = models.select([*tables.IDENTITY, "included"]).to_pandas()
    networks = networks[networks["included"] & (networks["head"] == "flatten")]
    rows = []
    for dataset, chosen in networks.reset_index(drop=True).groupby("dataset"):
        data = settings["data"][dataset]
        frame = _read(scores, str(dataset), chosen, several=data["multi_label"])
        units = chosen["seed"] if data["nested"] else chosen.index.to_series()
        means = _Means(units, settings["statistics"]["confidence"])
        for metric in FACTORS:
            for specification, estimate in _estimates(frame, metric, evaluations, means):
                known = {"dataset": dataset, "metric": metric, "specification": specification}
                rows.append(known | vars(estimate) | {"outcome": outcome(estimate)})
    return tables.concatenate([pa.Table.from_pylist(rows, MULTIVERSE)], MULTIVERSE, MULTIVERSE_KEY)


def _read(path: Path | str, dataset: str, networks: pd.DataFrame, *, several: bool) -> pd.DataFrame:
    """Return the scores of both maps with ``network``, a row of ``networks``."""
    field = pc.field
    wanted = (field("dataset") == dataset) & (field("head") == "flatten")
    wanted &= field("metric").isin(SPECIFIED) & field("method").isin(PAIR)
    columns = [*COLUMNS, LABEL] if several else COLUMNS
    frame = tables.read(path, TEXT, columns, wanted).unify_dictionaries().to_pandas()
    numbers = networks[["architecture", "seed"]].assign(network=networks.index)
    rows: pd.DataFrame = frame.merge(numbers, on=["architecture", "seed"])
    return rows


@dataclass(frozen=True)
class _Means:
    """Means over the units of a data set.

    Args:
        units: the unit of each network (index: its number).
        confidence: level of the intervals.
    """

    units: "pd.Series[Any]"
    confidence: float

    def over_units(self, differences: Any, changes: Any) -> Estimate:
        """Return the mean with its t interval, and its noise floor.

        Args:
            differences: of images (index: network, image_id, and label where there are several).
            changes: by how much they change with the noise replicate, if that is known.
        """
        means = _of_images(differences.dropna()).groupby(level="network").mean()
        _, unit = np.unique(self.units.loc[means.index], return_inverse=True)
        size = np.bincount(unit)
        values = np.bincount(unit, means) / size
        noise = np.nan
        if changes is not None:
            table = _of_images(changes).unstack("image_id").reindex(means.index)
            floors = floor.of_networks(table.to_numpy(), table.notna().sum(axis=1).to_numpy())
            noise = floor.of_mean(floors, 1 / (size[unit] * len(values)))
        low, high = t_interval(values, self.confidence)
        return Estimate(len(values), float(values.mean()), low, high, noise)


def _of_images(values: Any) -> Any:
    """Return the mean over each image's findings."""
    return values.groupby(level=["network", "image_id"]).mean()


def _key_of(rows: pd.DataFrame) -> list[str]:
    return ["network", "image_id", *[LABEL] * (LABEL in rows)]


def _estimates(
    frame: pd.DataFrame, metric: str, evaluations: Evaluations, means: _Means
) -> Iterator[tuple[str, Estimate]]:
    """Yield each specification with its mean over units and, if it has two streams, its floor."""
    name = "multiverse" if metric == "aopc" else metric
    chosen = frame[frame["metric"] == name]
    if chosen.empty:
        return
    sign = evaluations.sign(name)
    rows = _aopc(chosen, sign) if metric == "aopc" else _both_protocols(chosen, metric, sign)
    for images in IMAGES[metric]:
        part_of_all = rows[rows["correct"]] if images == "correct" else rows
        for values, part in part_of_all.groupby(FACTORS[metric], observed=True):
            factors = dict(zip(FACTORS[metric], map(str, values), strict=True))
            streams = part.pivot(index=_key_of(part), columns="replicate", values="difference")
            changes = (streams["0"] - streams["1"]).dropna() if "1" in streams else None
            estimate = means.over_units(streams["0"], changes)
            yield str(Setting.of(**factors, images=images)), estimate


def _paired(rows: pd.DataFrame, metric: str, sign: int) -> pd.DataFrame:
    """Return HiResCAM - Grad-CAM, oriented (``difference``), per image and specification."""
    texts = ["method", "protocol", "replicate", *FACTORS[metric]]
    rows = rows.astype(dict.fromkeys(texts, str))
    key = [*_key_of(rows), "correct", "replicate", *FACTORS[metric]]
    values = rows.pivot(index=key, columns="method", values="value").reindex(columns=list(PAIR))
    difference = sign * (values[PAIR[0]] - values[PAIR[1]]).dropna()
    return difference.rename("difference").reset_index()


def _expanded(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=["setting", "metric"]).join(columns_of(rows["setting"]))


def _ok(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["status"] == "ok"]


def _aopc(rows: pd.DataFrame, sign: int) -> pd.DataFrame:
    rows = _expanded(_ok(rows))
    image = ["network", "image_id", "replicate", "imputer"]
    ranges = where(rows, output="range")[[*image, "value"]]
    raw = rows[rows["output"] != "range"].assign(normalisation="raw")
    raw = _paired(raw, "aopc", sign)
    scaled = raw.merge(ranges, on=image)
    scaled = scaled[scaled["value"] > SMALLEST_RANGE].assign(normalisation="range")
    scaled["difference"] /= scaled.pop("value")
    return pd.concat([raw, scaled])


def _both_protocols(rows: pd.DataFrame, metric: str, sign: int) -> pd.DataFrame:
    thesis = rows["protocol"] == THESIS
    rows = _expanded(rows[thesis | (rows["status"] == "ok")])
    usual = rows["protocol"].map({THESIS: "logit", STRICT: "centred"}).astype(str)
    for name, default in (("explained_score", usual), ("replicate", "0"), ("outcome", "")):
        known = rows[name] if name in rows else pd.Series(np.nan, rows.index)
        rows[name] = known.astype(object).where(known.notna(), default)
    # whether the prediction is kept is another question than whether it is right
    return _paired(rows[rows["outcome"] == ""], metric, sign)
