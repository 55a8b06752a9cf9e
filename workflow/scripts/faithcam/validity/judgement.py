"""Judge metrics by their concordance with the truth: the two tables of an experiment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from faithcam.core.errors import FaithcamError, unknown
from faithcam.results import io as tables
from faithcam.results.declared import STRICT, Evaluations
from faithcam.statistics.design import groups_of
from faithcam.statistics.intervals import Resampling
from faithcam.validity.across import Judgements, across, confirmed
from faithcam.validity.concordance_tables import (
    CONCORDANCE,
    CONCORDANCE_KEY,
    VERDICTS,
    VERDICTS_KEY,
    gap_columns,
)
from faithcam.validity.estimates import Design
from faithcam.validity.floors import Floor, floors
from faithcam.validity.gates import hold
from faithcam.validity.measured import (
    Asked,
    Measured,
    checked,
    is_own_reference,
    key_of,
    measure,
    nan_mean,
)
from faithcam.validity.readings import Array, Key, Network, by_network, read
from faithcam.validity.verdict import (
    DAMAGED,
    FAMILIES,
    METHODS,
    OWN_REFERENCE,
    Cell,
    Recommendation,
    Verdict,
    recommendation,
    verdicts,
)

Row = dict[str, Any]
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
        models: rows of ``MODELS``; only included networks are used.
        evaluations: all that were declared.
        settings: ``seed``, ``statistics`` (``confidence``, ``resamples``) and ``validity`` of the
            config, and ``data`` (:func:`faithcam.experiment.datasets.specs`). ``validity`` has
            ``primary``: the metrics whose strict primary evaluations get a verdict, and perhaps
            ``estimands`` instead of ``ESTIMANDS``.
        images: rows of ``DATA_TABLE`` by data set: images of one ``group`` count as one unit.
            Without them each image is a group.

    Returns:
        Rows of ``CONCORDANCE`` and of ``VERDICTS``, sorted.

    Raises:
        FaithcamError: if a gate is broken, if there are more than ``MOST_PRIMARY`` primary metrics
            or one is unknown, or if scores of blind metrics or of halves of the truth are missing.
    """
    _check_primary(settings["validity"]["primary"], evaluations)
    scores = [scores] if isinstance(scores, Path | str) else scores
    included = models.filter(models["included"]).select(tables.IDENTITY).to_pylist()
    names = sorted({row["dataset"] for row in included})
    asked = {(n, f): Asked.of(evaluations, n, f) for n in names for f in FAMILIES}
    rows: dict[str, list[Any]] = {name: [] for name in CONCORDANCE.names}
    judgements: dict[str, tuple[Sequence[Verdict], Recommendation]] = {}
    verdict_rows: list[Row] = []
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
            for part in _measured(
                sources[family], asked[name, family], family, name, networks, settings["seed"]
            )
        ]
        if not parts:
            continue
        judged = _Judging(name, networks, parts, settings, (images or {}).get(name))
        for part in parts:
            judged.describe(part, rows)
        judgements[name] = judged.judge(evaluations)
        verdict_rows += _verdict_rows(name, *judgements[name], judged.design)
    comparable = {n: j for n, j in judgements.items() if not settings["data"][n]["control"]}
    verdict_rows += _over_datasets(comparable, settings)
    concordance = pa.table(rows, schema=CONCORDANCE)
    verdict = pa.Table.from_pylist(verdict_rows, VERDICTS)
    return (
        tables.concatenate([concordance], CONCORDANCE, CONCORDANCE_KEY),
        tables.concatenate([verdict], VERDICTS, VERDICTS_KEY),
    )


def _check_primary(primary: Sequence[str], evaluations: Evaluations) -> None:
    if len(primary) > MOST_PRIMARY:
        raise FaithcamError(
            f"validity.primary: {len(primary)} metrics found, at most {MOST_PRIMARY} expected; "
            "leave some out: what is not primary is described without a verdict"
        )
    known = evaluations.primary(STRICT)
    for metric in primary:
        if metric not in known:
            raise FaithcamError(f"validity.primary: {unknown(metric, known)}")


def _read(
    paths: Sequence[Path | str], asked: Sequence[Asked], dataset: str | None = None
) -> pa.Table | None:
    """Return the rows that are needed; None if there is no file or nothing is asked."""
    keys = {key for each in asked if each.estimands for key in each.keys}
    if not paths or not keys:
        return None
    metrics, settings = (sorted({key[place] for key in keys}) for place in (1, 2))
    return read(paths, metrics, settings, dataset)


@dataclass(frozen=True)
class _Part:
    """One family and estimand of a data set: what was asked and measured, floors by network."""

    family: str
    estimand: str
    asked: Asked
    measured: Measured
    floors: dict[int, Floor]


def _measured(
    table: pa.Table | None,
    asked: Asked,
    family: str,
    dataset: str,
    networks: Sequence[Network],
    seed: int,
) -> Iterator[_Part]:
    if table is None:
        return
    readings = by_network(table, dataset, networks, asked.keys)
    by_estimand = measure(readings, asked, family, dataset, networks, seed)
    for of, gates in checked(by_estimand, asked, family, dataset):
        hold(gates, of)
    for estimand, measured in by_estimand.items():
        of = f"{dataset}, {family}, {estimand}"
        yield _Part(family, estimand, asked, measured, floors(measured, asked, networks, of))


class _Judging:
    """The judgement on one data set.

    Args:
        dataset: its name.
        networks: the included ones, K.
        parts: all families and estimands.
        settings: see :func:`judge`.
        table: rows of ``DATA_TABLE``.
    """

    def __init__(
        self,
        dataset: str,
        networks: Sequence[Network],
        parts: Sequence[_Part],
        settings: Settings,
        table: pa.Table | None,
    ) -> None:
        self.dataset, self.networks, self.parts = dataset, networks, parts
        self.settings, self.confidence = settings, settings["statistics"]["confidence"]
        ids = [images for part in parts for images, _ in part.measured.c.values()]
        self.images = np.unique(np.concatenate(ids))
        self.groups = groups_of(self.images, table)
        resamples = settings["statistics"]["resamples"]
        stream = (settings["seed"], "concordance", dataset)
        self.design = Design(
            np.array([seed for *_, seed in networks]),
            self.groups,
            settings["data"][dataset]["nested"],
            Resampling(self.groups, resamples, *stream),
        )

    def describe(self, part: _Part, rows: dict[str, list[Any]]) -> None:
        """Add rows of ``CONCORDANCE``: one per network and evaluation that has pairs."""
        measured, asked = part.measured, part.asked
        for number, (images, c) in measured.c.items():
            c = c[: len(asked.declared)]
            means, counts = nan_mean(c), (~np.isnan(c)).sum(axis=1)
            low, high = self._over_images(c, self.groups[np.searchsorted(self.images, images)])
            pairs, undefined = measured.pairs[number], measured.undefined[number]
            wanted = pairs + undefined
            some = np.flatnonzero(wanted > 0)
            if not len(some):
                continue
            keys = [key_of(asked.declared[place]) for place in some]
            own = [is_own_reference(setting, part.estimand) for *_, setting in keys]
            architecture, head, seed = self.networks[number]
            floor = part.floors.get(number)
            with np.errstate(invalid="ignore", divide="ignore"):
                tied, share = measured.tied[number] / pairs, undefined / wanted
            same = {
                "dataset": self.dataset,
                "architecture": architecture,
                "head": head,
                "seed": seed,
                "family": part.family,
                "estimand": part.estimand,
                "floor": floor.concordance if floor else np.nan,
                "floor_metric": floor.kind if floor else "",
            }
            gaps = zip(gap_columns(), measured.by_gap[number], strict=True)
            numbers = {"concordance": means, "low": low, "high": high, "tied": tied}
            numbers |= {"undefined": share, "images": counts, "pairs": pairs.astype(np.int64)}
            each = {name: values[some].tolist() for name, values in (*numbers.items(), *gaps)}
            each |= {"own_reference": own}
            names = zip(*keys, strict=True)
            each |= zip(("protocol", "metric", "setting"), map(list, names), strict=True)
            for name, column in rows.items():
                column += each[name] if name in each else [same[name]] * len(some)

    def _over_images(self, c: Array, groups: Array) -> tuple[Array, Array]:
        """Return t intervals of means over images, (E, I) -> (E,) each, between 0 and 1."""
        values = c
        unique, group = np.unique(groups, return_inverse=True)
        if len(unique) < len(group):
            of_group = [nan_mean(c[:, group == place]) for place in range(len(unique))]
            values = np.stack(of_group, axis=1)
        count = (~np.isnan(values)).sum(axis=1)
        centred = values - nan_mean(values)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.sqrt(np.nansum(centred**2, axis=1) / (count - 1) / count)
            half = stats.t.ppf((1 + self.confidence) / 2, np.maximum(count - 1, 1)) * error
        half = np.where(count > 1, half, np.nan)
        means = nan_mean(c)
        return np.clip(means - half, 0, 1), np.clip(means + half, 0, 1)

    def judge(self, evaluations: Evaluations) -> tuple[list[Verdict], Recommendation]:
        """Return the verdicts on the primary evaluations, and the recommended one."""
        validity = self.settings["validity"]
        known = evaluations.primary(STRICT, self.dataset)
        primary = [(STRICT, m, str(known[m])) for m in validity["primary"] if m in known]
        wanted = validity.get("estimands", ESTIMANDS)
        cells = [
            cell
            for part in self.parts
            if part.estimand in wanted
            for key in primary
            if (cell := self._cell(part, key)) is not None
        ]
        verdict = verdicts(cells, self.design, self.confidence)
        return verdict, recommendation(verdict, self.design, self.confidence)

    def _cell(self, part: _Part, key: Key) -> Cell | None:
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
        own = is_own_reference(key[2], part.estimand)
        return Cell(key, part.estimand, part.family, c, floor, tied, own)


def _verdict_rows(
    dataset: str, judged: Sequence[Verdict], best: Recommendation, design: Design
) -> Iterator[Row]:
    for verdict in judged:
        reason, key = verdict.reason, verdict.evaluation
        if key == best.evaluation:
            reason += f"; recommended: {best.reason}"
        numbers: Row = {}
        for family, each in verdict.families.items():
            of_family = {
                "concordance": each.concordance,
                "floor": each.floor,
                "difference": each.difference.value,
                "low": each.ends.low,
                "high": each.ends.high,
                "level": each.ends.level,
                "tied": each.tied,
            }
            numbers |= {f"{family}_{name}": value for name, value in of_family.items()}
        yield _row(dataset, verdict.evaluation, verdict.estimand, numbers) | {
            "word": verdict.word,
            "scope": "this network" if design.alone else "these networks",
            "reason": reason,
            "networks": min(each.difference.units for each in verdict.families.values()),
            "own_reference": verdict.word == OWN_REFERENCE,
            "lowest": best.lowest.get(key, np.nan),
            "recommended": key == best.evaluation,
            "in_confidence_set": key in best.confidence_set,
        }


def _row(dataset: str, evaluation: Key, estimand: str, numbers: Row) -> Row:
    names = dict(zip(("protocol", "metric", "setting"), evaluation, strict=True))
    missing = {f.name: np.nan for f in VERDICTS if f.name.startswith(FAMILIES)}
    return {"dataset": dataset, **names, "estimand": estimand, **missing, **numbers}


def _over_datasets(judgements: Judgements, settings: Settings) -> Iterator[Row]:
    confidence = settings["statistics"]["confidence"]
    chosen = confirmed(judgements, settings["seed"], confidence)
    for row in across(judgements, list(judgements)):
        numbers: Row = {}
        for family, pool in row.families.items():
            judged = [v.families[family] for v in row.datasets.values() if family in v.families]
            low, high = pool.interval(confidence)
            prediction = pool.prediction(confidence)
            of_family = {
                "concordance": np.mean([each.concordance for each in judged]),
                "floor": np.mean([each.floor for each in judged]),
                "difference": pool.estimate,
                "low": low,
                "high": high,
                "level": confidence,
                "tied": np.mean([each.tied for each in judged]),
                "i_squared": pool.i_squared,
                "prediction_low": prediction[0],
                "prediction_high": prediction[1],
            }
            numbers |= {f"{family}_{name}": float(value) for name, value in of_family.items()}
        best, word, why = chosen or (None, "", "")
        is_best = row.evaluation == best
        lowest = [judgements[name][1].lowest.get(row.evaluation, np.nan) for name in row.datasets]
        own = {verdict.word for verdict in row.datasets.values()} == {OWN_REFERENCE}
        yield _row("all", row.evaluation, row.estimand, numbers) | {
            "word": word if is_best and not own else "",
            "scope": "data sets",
            "reason": f"{row.reason}; {why}" if is_best else row.reason,
            "networks": len(row.datasets),
            "own_reference": own,
            "lowest": float(np.mean(lowest)),
            "recommended": is_best and word == "confirmed",
            "in_confidence_set": is_best,
        }
