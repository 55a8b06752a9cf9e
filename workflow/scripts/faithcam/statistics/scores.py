"""Scores as arrays: networks x images, for every method and setting."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.results import io as tables
from faithcam.statistics.settings import MODEL

Array = np.ndarray[Any, Any]

STATUSES = ("", "ok", "blank_map", "undefined", "empty_mask")
TEXT = ["dataset", "architecture", "head", "protocol", "metric", "setting", "method", "status"]


@dataclass(frozen=True)
class Networks:
    """Networks of one data set and head: architecture and training seed of each, (M,)."""

    architectures: Array
    seeds: Array

    def at(self, places: Array) -> "Networks":
        """Return the networks at some places."""
        return Networks(self.architectures[places], self.seeds[places])

    def __len__(self) -> int:
        return len(self.seeds)


@dataclass(frozen=True)
class Scores:
    """All scores of one metric and setting on one data set and head: M networks, I images.

    With several labels per image a column is a finding: an image and one of its labels, P of them;
    else the columns are the images, P = I.

    Args:
        networks: the networks of the head, whether they have scores here or not.
        known: ``dataset``, ``protocol``, ``metric``, ``head`` and ``setting``.
        values: by method, (M, P); NaN if there is none.
        statuses: by method, (M, P) places in ``STATUSES``; "" where there is no row.
        correct: whether the clean image is classified correctly (M, P).
        labels: true classes (M, P); of findings the label explained.
        counted: whether a column counts in means (M, P): the correct ones, if not all do.
        images: place of each column's image among the I images (P,), growing.
    """

    networks: Networks
    known: dict[str, str]
    values: dict[str, Array]
    statuses: dict[str, Array]
    correct: Array
    labels: Array
    counted: Array
    images: Array

    def sums(self, values: Array) -> Array:
        """Return the sum over each image's findings: (M, P) -> (M, I), NaN left out."""
        totals = np.zeros((len(values), self.images[-1] + 1))
        np.add.at(totals.T, self.images, np.nan_to_num(values).T)
        return totals

    def of_images(self, values: Array) -> Array:
        """Return the mean over each image's findings: (M, P) -> (M, I), NaN where there is none."""
        if len(self.images) == self.images[-1] + 1:
            return values
        counts = self.sums((~np.isnan(values)).astype(np.float64))
        return np.divide(
            self.sums(values), counts, out=np.full_like(counts, np.nan), where=counts > 0
        )

    def has(self, method: str, status: str) -> Array:
        """Return where a method's score has a status: (M, P)."""
        return np.asarray(self.statuses[method] == STATUSES.index(status))

    def paired(self, method: str) -> Array:
        """Return the scores that enter paired differences: (M, P), NaN where none does."""
        keep = self.counted
        if self.known["protocol"] == "strict":
            keep = keep & self.has(method, "ok")
        return np.where(keep, self.values[method], np.nan)

    def differences(self, a: str, b: str) -> Array:
        """Return the paired differences of two methods: (M, P), NaN where one does not count."""
        return np.asarray(self.paired(a) - self.paired(b))

    def summarised(self, method: str) -> Array:
        """Return the scores behind a method's mean: (M, P), NaN where one does not count."""
        if self.known["metric"] == "haas":
            return np.where(self.counted, self.values[method], np.nan)
        return self.paired(method)


def read(table: pa.Table | Path | str) -> pd.DataFrame:
    """Return the scores as a frame, texts as sorted categories."""
    table = table if isinstance(table, pa.Table) else tables.read(table, dictionary=TEXT)
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(categories=TEXT)
    for name in TEXT:
        frame[name] = frame[name].cat.reorder_categories(sorted(frame[name].cat.categories))
    return frame


def of_networks(frame: pd.DataFrame, models: pa.Table) -> pd.DataFrame:
    """Keep the scores of networks that are summarised, and say which are ``exempt``.

    Args:
        frame: scores.
        models: rows of ``MODELS``: included networks and exempt ones stay.
    """
    kept = models.to_pandas()
    kept = kept.loc[kept["included"] | kept["exempt"], [*MODEL, "exempt"]]
    return frame.merge(kept.astype({name: frame[name].dtype for name in MODEL}), on=MODEL)


def settings_of(
    frame: pd.DataFrame,
    images: Array,
    all_images: Collection[str] = (),
    *,
    multi_label: bool = False,
) -> Iterator[Scores]:
    """Yield the scores of each setting of one data set.

    Args:
        frame: the data set's scores.
        images: its sorted image_ids, the columns of all arrays.
        all_images: the metrics in whose means wrongly classified images count, too.
        multi_label: whether an image has several labels, with scores of their own; then the
            columns are the pairs of image and label, sorted.
    """
    dataset, method = str(frame["dataset"].iloc[0]), frame["method"].cat
    methods, status = method.categories.astype(str), frame["status"].cat
    places = np.array([STATUSES.index(name) for name in status.categories], np.int8)[status.codes]
    columns = {name: frame[name].to_numpy() for name in ("value", "correct", "label", "exempt")}
    column = np.searchsorted(images, frame["image_id"])
    image_of = np.arange(len(images))
    if multi_label:
        pairs = np.stack([column, columns["label"]], axis=1)
        findings, column = np.unique(pairs, axis=0, return_inverse=True)
        image_of = findings[:, 0]
    for head, part in frame.groupby("head", observed=True).indices.items():
        of_head = frame.iloc[part]
        groups = of_head.groupby(["architecture", "seed"], observed=True)
        names = groups.size().reset_index()
        networks = Networks(names["architecture"].astype(str).to_numpy(), names["seed"].to_numpy())
        shape = (len(networks), len(image_of))
        rows = groups.ngroup().to_numpy()
        axes = ["protocol", "metric", "setting"]
        for evaluation, inside in of_head.groupby(axes, observed=True).indices.items():
            protocol, metric, setting = (str(name) for name in np.asarray(evaluation))
            at = np.asarray(part)[inside]
            where = (rows[inside], column[at])
            correct, labels = np.zeros(shape, bool), np.zeros(shape, np.int64)
            counted = np.zeros(shape, bool)
            correct[where] = columns["correct"][at]
            labels[where] = columns["label"][at]
            counted[where] = correct[where] | columns["exempt"][at] | (metric in all_images)
            used, which = np.unique(method.codes.to_numpy()[at], return_inverse=True)
            values = np.full((len(used), *shape), np.nan)
            values[which, *where] = columns["value"][at]
            statuses = np.zeros(values.shape, np.int8)
            statuses[which, *where] = places[at]
            yield Scores(
                networks,
                {
                    "dataset": dataset,
                    "protocol": protocol,
                    "metric": metric,
                    "head": str(head),
                    "setting": setting,
                },
                dict(zip(methods[used], values, strict=True)),
                dict(zip(methods[used], statuses, strict=True)),
                correct,
                labels,
                counted,
                image_of,
            )
