"""Scores of candidates as arrays: one network's, for all evaluations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from faithcam.results import io as tables
from faithcam.results.declared import THESIS

Array = np.ndarray[Any, Any]
Key = tuple[str, str, str]  # protocol, metric, setting
NetworkKey = tuple[str, str, int]  # architecture, head, seed

TEXT = ("dataset", "architecture", "head", "protocol", "metric", "setting", "method", "status")
COLUMNS = [*TEXT, "seed", "image_id", "label", "correct", "value"]


@dataclass(frozen=True)
class Readings:
    """Scores of one network's images: E evaluations, P findings, M maps.

    A finding is an image, or an image and one of its labels where it has several.

    Args:
        network: place among the networks.
        methods: names of the maps.
        images: image_id of each finding, (P,), growing.
        correct: whether the image is classified correctly, (P,).
        values: (E, P, M); NaN where there is none.
        scored: where there is a row, (E, P, M).
    """

    network: int
    methods: list[str]
    images: Array
    correct: Array
    values: Array
    scored: Array


def read(
    paths: Sequence[Path | str],
    metrics: Sequence[str],
    settings: Sequence[str],
    dataset: str | None = None,
) -> pa.Table:
    """Return the rows of some metrics and settings, texts dictionary-encoded.

    Args:
        paths: of Parquet files with rows of ``SCORES``.
        metrics: their names.
        settings: as texts.
        dataset: whose rows are read; None: all.
    """
    wanted = pc.field("metric").isin(pa.array(metrics, pa.string()))
    wanted &= pc.field("setting").isin(pa.array(settings, pa.string()))
    if dataset is not None:
        wanted &= pc.field("dataset") == dataset
    parts = [tables.read(path, TEXT, COLUMNS, wanted) for path in paths]
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def by_network(
    table: pa.Table, dataset: str, networks: Sequence[NetworkKey], evaluations: Sequence[Key]
) -> Iterator[Readings]:
    """Yield the scores of each network that has some.

    Strict scores whose status is not ok are NaN.

    Args:
        table: from :func:`read`.
        dataset: name of the data set.
        networks: those to be read.
        evaluations: those to be read.
    """
    if not len(table):
        return
    columns = {name: _coded(table[name]) for name in TEXT}
    rows = np.flatnonzero(_places(columns, ["dataset"], {(dataset,): 0}) == 0)
    columns = {name: (codes[rows], known) for name, (codes, known) in columns.items()}
    seeds, seed = np.unique(table["seed"].to_numpy()[rows], return_inverse=True)
    columns["seed"] = seed, seeds.tolist()
    network = _places(columns, ["architecture", "head", "seed"], _numbered(networks))
    evaluation = _places(columns, ["protocol", "metric", "setting"], _numbered(evaluations))
    value = table["value"].to_numpy()[rows].copy()
    strict = _places(columns, ["protocol"], {(THESIS,): 0}) < 0
    value[strict & (_places(columns, ["status"], {("ok",): 0}) < 0)] = np.nan
    method, names = columns["method"]
    image, label, correct = (
        table[name].to_numpy()[rows] for name in ("image_id", "label", "correct")
    )
    for number in range(len(networks)):
        at = np.flatnonzero((network == number) & (evaluation >= 0))
        if not len(at):
            continue
        base, labels = label[at].min(), int(np.ptp(label[at])) + 1
        findings, finding = np.unique(image[at] * labels + label[at] - base, return_inverse=True)
        used, which = np.unique(method[at], return_inverse=True)
        shape = (len(evaluations), len(findings), len(used))
        values, scored = np.full(shape, np.nan), np.zeros(shape, bool)
        where = (evaluation[at], finding, which)
        values[where], scored[where] = value[at], True
        right = np.zeros(shape[1], bool)
        right[finding] = correct[at]
        yield Readings(number, [names[i] for i in used], findings // labels, right, values, scored)


def _numbered(names: Sequence[Any]) -> dict[Any, int]:
    return {name: place for place, name in enumerate(names)}


def _coded(column: pa.ChunkedArray) -> tuple[Array, list[Any]]:
    """Return the code of each entry and what the codes stand for."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    return array.indices.to_numpy(), array.dictionary.to_pylist()


def _places(
    columns: Mapping[str, tuple[Array, list[Any]]], names: Sequence[str], known: Mapping[Any, int]
) -> Array:
    """Return the number of what some columns say together; -1 where it is not known."""
    shape = tuple(len(columns[name][1]) for name in names)
    table = np.full(shape, -1)
    places = [_numbered(columns[name][1]) for name in names]
    for key, number in known.items():
        place = tuple(of.get(part, -1) for of, part in zip(places, key, strict=True))
        if -1 not in place:
            table[place] = number
    return np.asarray(table[tuple(columns[name][0] for name in names)])
