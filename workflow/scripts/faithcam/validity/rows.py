"""Rows of the tables of concordance and of verdicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from faithcam.validity.across import CONFIRMED, Judgements, across, confirmed
from faithcam.validity.estimates import Design
from faithcam.validity.floors import Floor
from faithcam.validity.measured import Asked, Measured, key_of, nan_mean
from faithcam.validity.readings import Array, Key, NetworkKey
from faithcam.validity.tables import CONCORDANCE, VERDICTS, gap_columns
from faithcam.validity.verdict import FAMILIES, OWN_REFERENCE, Recommendation, Verdict

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One family and estimand of a data set.

    Args:
        family: of the candidates.
        estimand: name of the truth.
        asked: what was asked.
        measured: what came of it.
        floors: by network.
    """

    family: str
    estimand: str
    asked: Asked
    measured: Measured
    floors: dict[int, Floor]


def concordance(
    part: Part,
    dataset: str,
    networks: Sequence[NetworkKey],
    group_of: dict[int, Any],
    confidence: float,
) -> Iterator[dict[str, list[Any]]]:
    """Yield the rows of ``CONCORDANCE`` of each network as columns: evaluations that have pairs.

    Args:
        part: a family and estimand.
        dataset: name of the data set.
        networks: their names.
        group_of: group of each image, by image_id.
        confidence: of the intervals over images.
    """
    measured, declared = part.measured, part.asked.declared
    for number, (images, of_all) in measured.c.items():
        c, pairs = of_all[: len(declared)], measured.pairs[number]
        undefined = measured.undefined[number]
        wanted = pairs + undefined
        some = np.flatnonzero(wanted > 0)
        if not len(some):
            continue
        groups = np.array([group_of[image] for image in images.tolist()])
        low, high = _over_images(c, groups, confidence)
        floor = part.floors.get(number)
        names = ("dataset", "architecture", "head", "seed", "family", "estimand")
        same = dict(
            zip(names, (dataset, *networks[number], part.family, part.estimand), strict=True)
        )
        same["floor"] = floor.concordance if floor else np.nan
        same["floor_metric"] = floor.kind if floor else ""
        with np.errstate(invalid="ignore", divide="ignore"):
            numbers = {
                "concordance": nan_mean(c),
                "low": low,
                "high": high,
                "pairs": pairs.astype(np.int64),
                "tied": measured.tied[number] / pairs,
                "undefined": undefined / wanted,
                "images": (~np.isnan(c)).sum(axis=1),
                **dict(zip(gap_columns(), measured.by_gap[number], strict=True)),
            }
        keys = [key_of(declared[place]) for place in some]
        each = {name: values[some].tolist() for name, values in numbers.items()}
        each |= zip(("protocol", "metric", "setting"), zip(*keys, strict=True), strict=True)
        each["own_reference"] = [declared[place].reference == part.estimand for place in some]
        yield {n: each[n] if n in each else [same[n]] * len(some) for n in CONCORDANCE.names}


def _over_images(c: Array, groups: Array, confidence: float) -> tuple[Array, Array]:
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
    half = stats.t.ppf((1 + confidence) / 2, np.maximum(count - 1, 1)) * error
    half, means = np.where(count > 1, half, np.nan), nan_mean(c)
    return np.clip(means - half, 0, 1), np.clip(means + half, 0, 1)


def verdicts(
    dataset: str, judged: Sequence[Verdict], best: Recommendation, design: Design
) -> Iterator[Row]:
    """Yield the rows of ``VERDICTS`` of a data set.

    Args:
        dataset: its name.
        judged: the verdicts.
        best: the recommendation.
        design: of the data set.
    """
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


def over_datasets(
    judgements: Judgements, seed: int, confidence: float, confirm: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield the rows of ``VERDICTS`` of all data sets together.

    Args:
        judgements: by data set.
        seed: the experiment's.
        confidence: of the intervals.
        confirm: data sets that a choice is confirmed on, see :func:`confirmed`.
    """
    chosen = confirmed(judgements, seed, confidence, confirm)
    for row in across(judgements, list(judgements)):
        numbers: Row = {}
        for family, pool in row.families.items():
            judged = [v.families[family] for v in row.datasets.values() if family in v.families]
            low, high = pool.interval(confidence)
            prediction = pool.prediction(confidence)
            of_family: dict[str, float] = {
                "concordance": float(np.mean([each.concordance for each in judged])),
                "floor": float(np.mean([each.floor for each in judged])),
                "difference": pool.estimate,
                "low": low,
                "high": high,
                "level": confidence,
                "tied": float(np.mean([each.tied for each in judged])),
                "i_squared": pool.i_squared,
                "prediction_low": prediction[0],
                "prediction_high": prediction[1],
            }
            numbers |= {f"{family}_{name}": value for name, value in of_family.items()}
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
            "recommended": is_best and word == CONFIRMED,
            "in_confidence_set": is_best,
        }
