"""Judge metrics by their concordance with the truth: the two tables of an experiment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from faithcam.core.errors import FaithcamError
from faithcam.results import io as tables
from faithcam.results.declared import STRICT, Evaluations
from faithcam.statistics.design import groups_of
from faithcam.statistics.intervals import Resampling
from faithcam.validity import rows
from faithcam.validity.estimates import Design
from faithcam.validity.floors import floors
from faithcam.validity.gates import hold
from faithcam.validity.measured import TRUTH, Asked, checked, key_of, measure
from faithcam.validity.readings import Key, NetworkKey, Readings, by_network, read
from faithcam.validity.rows import Part
from faithcam.validity.tables import (
    CONCORDANCE,
    CONCORDANCE_KEY,
    VERDICTS,
    VERDICTS_KEY,
)
from faithcam.validity.verdict import (
    DAMAGED,
    FAMILIES,
    METHODS,
    Cell,
    Recommendation,
    Verdict,
    recommendation,
    verdicts,
)

Settings = Mapping[str, Any]
ESTIMANDS = ("background", "grey", "mean", "train_mean", "blur")  # that verdicts are about
MOST_PRIMARY = 12


def judge(
    scores: Path | str | Sequence[Path | str],
    candidates: Sequence[Path | str],
    models: pa.Table,
    evaluations: Evaluations,
    settings: Settings,
    images: Mapping[str, pa.Table] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Judge all metrics of an experiment.

    Args:
        scores: path or paths of rows of ``SCORES``: all maps.
        candidates: paths of rows of ``SCORES``: damaged truths, named by
            :mod:`faithcam.validity.candidates`.
        models: rows of ``MODELS``; only included networks are used, and of these only those that
            are asked for the truth, which GAP twins are not.
        evaluations: all that were declared.
        settings: ``seed``, ``statistics`` (``confidence``, ``resamples``) and ``concordance`` of
            the config (``primary``: the metrics whose judged evaluations get a verdict, where
            they are declared; ``confirm``), and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
        images: rows of ``DATA_TABLE`` by data set: images of one ``group`` count as one unit.
            Without them each image is a group.

    Returns:
        Rows of ``CONCORDANCE`` and of ``VERDICTS``, sorted.

    Raises:
        FaithcamError: if a gate is broken, if there are more than ``MOST_PRIMARY`` primary
            metrics, or if scores of blind metrics or of halves of the truth are missing.
    """
    check_primary(settings["concordance"]["primary"], "concordance.primary")
    scores = [scores] if isinstance(scores, Path | str) else scores
    included = _judged_networks(models, evaluations)
    names = sorted({row["dataset"] for row in included})
    asked = {(n, f): Asked.of(evaluations, n, f) for n in names for f in FAMILIES}
    confidence = settings["statistics"]["confidence"]
    concordance = [CONCORDANCE.empty_table()]
    judgements: dict[str, tuple[Sequence[Verdict], Recommendation]] = {}
    verdict: list[rows.Row] = []
    damaged = _read(candidates, [asked[name, DAMAGED] for name in names])
    for name in names:
        networks = [
            (str(row["architecture"]), str(row["head"]), int(row["seed"]))
            for row in included
            if row["dataset"] == name
        ]
        sources = {DAMAGED: damaged, METHODS: _read(scores, [asked[name, METHODS]], name)}
        parts = [
            part
            for family in FAMILIES
            for part in parts_of(
                _readings(sources[family], name, networks, asked[name, family].keys),
                asked[name, family], family, name, networks, settings["seed"],
            )
        ]  # fmt: skip
        if not parts:
            continue
        nested = settings["data"][name]["nested"]
        judged = Judging(name, networks, parts, settings, (images or {}).get(name), nested=nested)
        for part in parts:
            for columns in rows.concordance(part, name, networks, judged.group_of, confidence):
                concordance.append(pa.table(columns, schema=CONCORDANCE))
        known = evaluations.judged(name)
        primary = [
            (STRICT, m, str(known[m])) for m in settings["concordance"]["primary"] if m in known
        ]
        judgements[name] = judged.judge(primary)
        verdict += rows.verdicts(name, *judgements[name], judged.design)
    comparable = {n: j for n, j in judgements.items() if not settings["data"][n]["control"]}
    confirm = settings["concordance"]["confirm"]
    verdict += rows.over_datasets(comparable, settings["seed"], confidence, confirm)
    return (
        tables.concatenate(concordance, CONCORDANCE, CONCORDANCE_KEY),
        tables.concatenate([pa.Table.from_pylist(verdict, VERDICTS)], VERDICTS, VERDICTS_KEY),
    )


def _judged_networks(models: pa.Table, evaluations: Evaluations) -> list[dict[str, Any]]:
    """Return the included networks that are asked for the truth: no GAP twins."""
    asked = {(d.dataset, d.architecture, d.head) for d in evaluations if d.metric == TRUTH}
    included: list[dict[str, Any]] = models.filter(models["included"]).to_pylist()
    return [r for r in included if (r["dataset"], r["architecture"], r["head"]) in asked]


def check_primary(primary: Sequence[str], key: str) -> None:
    """Raise FaithcamError, naming where they stand, if more metrics are primary than may be."""
    if len(primary) > MOST_PRIMARY:
        raise FaithcamError(
            f"{key}: {len(primary)} metrics found, at most {MOST_PRIMARY} expected; "
            "leave some out: what is not primary is described without a verdict"
        )


def _read(
    paths: Sequence[Path | str], asked: Sequence[Asked], dataset: str | None = None
) -> pa.Table | None:
    """Return the rows that are needed; None if there is no file or nothing is asked."""
    keys = {key for each in asked if each.estimands for key in each.keys}
    if not paths or not keys:
        return None
    metrics, settings = (sorted({key[place] for key in keys}) for place in (1, 2))
    return read(paths, metrics, settings, dataset)


def _readings(
    table: pa.Table | None, dataset: str, networks: Sequence[NetworkKey], keys: Sequence[Key]
) -> Iterator[Readings]:
    return iter(()) if table is None else by_network(table, dataset, networks, keys)


def parts_of(
    readings: Iterable[Readings],
    asked: Asked,
    family: str,
    dataset: str,
    networks: Sequence[NetworkKey],
    seed: int,
) -> Iterator[Part]:
    """Yield the concordance of all evaluations in a family, by estimand, with its floors.

    Args:
        readings: see :func:`faithcam.validity.measured.measure`, as the other arguments.
        asked: see there.
        family: see there.
        dataset: see there.
        networks: see there.
        seed: see there.

    Raises:
        FaithcamError: if a gate is broken, or scores of blind metrics or of halves of the truth are
            missing.
    """
    by_estimand = measure(readings, asked, family, dataset, networks, seed)
    for of, gates in checked(by_estimand, asked, family, dataset):
        hold(gates, of)
    for estimand, measured in by_estimand.items():
        of = f"{dataset}, {family}, {estimand}"
        yield Part(family, estimand, asked, measured, floors(measured, asked, networks, of))


class Judging:
    """The judgement on one data set.

    Args:
        dataset: its name.
        networks: the included ones, K.
        parts: all families and estimands.
        settings: ``seed`` and ``statistics``, see :func:`judge`.
        table: rows of ``DATA_TABLE``; None: each image is a group.
        nested: whether each seed has images of its own.
    """

    def __init__(
        self,
        dataset: str,
        networks: Sequence[NetworkKey],
        parts: Sequence[Part],
        settings: Settings,
        table: pa.Table | None,
        *,
        nested: bool = False,
    ) -> None:
        self.networks, self.parts = networks, parts
        self.confidence = settings["statistics"]["confidence"]
        ids = [images for part in parts for images, _ in part.measured.c.values()]
        self.images = np.unique(np.concatenate(ids))
        groups = groups_of(self.images, table)
        self.group_of = dict(zip(self.images.tolist(), groups.tolist(), strict=True))
        resamples = settings["statistics"]["resamples"]
        stream = (settings["seed"], "concordance", dataset)
        self.design = Design(
            np.array([seed for *_, seed in networks]),
            groups,
            nested,
            Resampling(groups, resamples, *stream),
        )

    def judge(self, primary: Sequence[Key]) -> tuple[list[Verdict], Recommendation]:
        """Return the verdicts on the primary evaluations, and the recommended one."""
        cells = [
            cell
            for part in self.parts
            if part.estimand in ESTIMANDS
            for key in primary
            if (cell := self._cell(part, key)) is not None
        ]
        verdict = verdicts(cells, self.design, self.confidence)
        return verdict, recommendation(verdict, self.design, self.confidence)

    def _cell(self, part: Part, key: Key) -> Cell | None:
        places = [i for i, d in enumerate(part.asked.declared) if key_of(d) == key]
        if not places:
            return None
        c, floor = np.full((2, len(self.networks), len(self.images)), np.nan)
        tied = np.full(len(self.networks), np.nan)
        for number, (images, values) in part.measured.c.items():
            if number in part.floors:
                at = np.searchsorted(self.images, images)
                c[number, at] = values[places[0]]
                floor[number, at] = part.floors[number].c
                pairs = part.measured.pairs[number][places[0]]
                ties = part.measured.tied[number][places[0]]
                tied[number] = ties / pairs if pairs else np.nan
        if np.isnan(c).all():
            return None
        own = part.asked.declared[places[0]].reference == part.estimand
        return Cell(key, part.estimand, part.family, c, floor, tied, own)
