"""What figures of concordance share: which evaluations they show, under which names."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT
from faithcam.statistics.settings import MODEL, where
from faithcam.truth.estimands import ESTIMANDS
from faithcam.validity.measured import BLIND, TRUTH

FAMILIES = {"damaged": "damaged truths", "methods": "maps and controls"}
CHANCE = 0.5


@dataclass(frozen=True)
class Shown:
    """One evaluation that a figure shows.

    Args:
        metric: its name.
        setting: its setting.
        name: what the figure calls it.
        primary: whether it gets a verdict.
    """

    metric: str
    setting: str
    name: str
    primary: bool

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the evaluation's rows."""
        return where(rows, protocol=STRICT, metric=self.metric, setting=self.setting)


def without(setting: Setting, names: Iterable[str]) -> dict[str, str]:
    """Return a setting's pairs but for some names."""
    return {name: value for name, value in dict(setting).items() if name not in set(names)}


def shown(subject: Subject, rows: pd.DataFrame) -> list[Shown]:
    """Return what stands for each metric, the primary ones first, then the same in other outputs.

    Args:
        subject: of the figure; its settings have ``concordance`` of the config.
        rows: of ``CONCORDANCE``; what has none is left out.
    """
    primary = subject.settings["concordance"]["primary"]
    judged = subject.evaluations.judged(subject.dataset)
    judged = {name: setting for name, setting in judged.items() if name not in (TRUTH, BLIND)}
    named = [name for name in primary if name in judged]
    first = [Shown(m, str(judged[m]), subject.title(m), primary=True) for m in named]
    first += [
        Shown(m, str(setting), subject.title(m), primary=False)
        for m, setting in judged.items()
        if m not in named
    ]
    texts = {(s.metric, s.setting) for s in first}
    for metric, text in _evaluations(rows):
        setting = Setting.parse(text)
        same = metric in judged and without(setting, ["output"]) == without(
            judged[metric], ["output"]
        )
        if same and "output" in dict(setting) and (metric, text) not in texts:
            name = f"{subject.title(metric)}, {dict(setting)['output']}"
            first.append(Shown(metric, text, name, primary=False))
    several = {metric for metric, _ in texts if sum(s.metric == metric for s in first) > 1}
    return [
        replace(each, name=f"{each.name}, {Setting.parse(each.setting)['output']}")
        if each.metric in several and (each.metric, each.setting) in texts
        else each
        for each in first
        if len(each.of(rows))
    ]


def _evaluations(rows: pd.DataFrame) -> list[tuple[str, str]]:
    strict = where(rows, protocol=STRICT)
    pairs = strict[["metric", "setting"]].drop_duplicates().sort_values(["metric", "setting"])
    return list(pairs.itertuples(index=False, name=None))


def estimands(rows: pd.DataFrame) -> list[str]:
    """Return the estimands that have rows, in the order of ``ESTIMANDS``."""
    return [name for name in ESTIMANDS if name in set(rows["estimand"])]


def titled(estimand: str) -> str:
    """Return an estimand's name."""
    return ESTIMANDS[estimand].title


def blocks(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs (family, estimand) that have rows, estimand by estimand."""
    there = set(rows[["family", "estimand"]].itertuples(index=False, name=None))
    wanted = [(family, name) for name in estimands(rows) for family in FAMILIES]
    return [pair for pair in wanted if pair in there]


def mean_of(subject: Subject, rows: pd.DataFrame, column: str) -> dict[str, float]:
    """Return the mean of a column over units: ``value``, ``low``, ``high`` and ``n``.

    Of a network alone the interval of C is that over its images.
    """
    points = subject.over_units(rows.assign(all=""), ["all"], [column])
    if points.empty:
        return {"value": np.nan, "low": np.nan, "high": np.nan, "n": 0}
    (point,) = points.to_dict("records")
    if column == "concordance" and len(rows) == 1:
        point |= {"low": rows["low"].item(), "high": rows["high"].item()}
    return {"value": point[column], "low": point["low"], "high": point["high"], "n": point["n"]}


def networks(rows: pd.DataFrame) -> str:
    """Return how many networks rows are of, in words."""
    count = len(rows[MODEL].drop_duplicates())
    return f"{count} network{'s'[: count != 1]}"
