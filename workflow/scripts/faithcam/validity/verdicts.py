"""Verdicts of the controls, read from ``validity.parquet`` for texts and figures."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.results.declared import STRICT, Evaluations
from faithcam.statistics.settings import PAIR, where
from faithcam.validity import asked

ALL = "all"  # data sets together
# a group of controls, and how the names of its controls begin; in the order of importance
GROUPS = {
    "sham": ("sham",),
    "agreement with part Shapley values": ("agreement", "tau", "part_shapley"),
    "perfect imputer": ("perfect_imputer",),
    "wrong maps": (
        "other_image",
        "spectrum_random",
        "random",
        "centre",
        "sobel",
        "intensity",
        "constant",
        "inverse",
        "completed_gradcam",
        "template",
        "minus_template",
    ),
    "smoothness": ("smoothness", "gradcam_as_smooth"),
    "damage ladder": ("damage",),
    "dose-response": ("dose",),
    "reliability": ("reliability", "split_half", "convergence"),
    "laws": ("gap_twin", "haas_blank", "feature", "completed_ranks", "dead_zone", "patch_net"),
}
OTHER = "other controls"
REQUIRED = ("sham", "agreement with part Shapley values", "perfect imputer")
VERDICT = "verdict"
# a group says what its worst control says
OUTCOMES = ("fail", "inconclusive", "pass", "reported")
METRIC = ["dataset", "protocol", "metric"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on a metric of one protocol on one data set.

    Args:
        dataset: name of the data set.
        protocol: ``thesis`` or ``strict``.
        metric: its name in the config.
        outcome: ``valid``, ``not valid`` or ``inconclusive``.
        reason: in words.
        groups: outcome of each group of controls that was run, in the order of ``GROUPS``; of all
            data sets together: the worst of theirs.
        controls: the rows of its controls.
    """

    dataset: str
    protocol: str
    metric: str
    outcome: str
    reason: str
    groups: dict[str, str]
    controls: pd.DataFrame

    def names(self, outcome: str) -> list[str]:
        """Return the groups of controls with an outcome."""
        return [name for name, its_outcome in self.groups.items() if its_outcome == outcome]

    def missing(self) -> list[str]:
        """Return the groups that a valid metric has to pass and that were not run."""
        return [name for name in REQUIRED if name not in self.groups]

    def first(self, outcome: str) -> "pd.Series[Any] | None":
        """Return the row of the most important control with an outcome, or None."""
        rows = self.controls[self.controls["outcome"] == outcome]
        order = [*GROUPS, OTHER]
        rank = rows["control"].map(lambda name: order.index(group(name)))
        return None if rows.empty else rows.loc[rank.sort_values(kind="stable").index[0]]


def group(control: str) -> str:
    """Return the group that a control belongs to."""
    for name, beginnings in GROUPS.items():
        if control.startswith(beginnings):
            return name
    return OTHER


def worst(outcomes: Iterable[str]) -> str:
    """Return what controls say together: the worst of their outcomes."""
    return min(outcomes, key=OUTCOMES.index)


def verdicts(validity: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[Verdict]:
    """Yield all verdicts in the order of the config: data sets, protocols (strict first), metrics.

    Those on all data sets together come first, if there are several.

    Args:
        validity: rows of ``validity.parquet``.
        settings: ``datasets`` and ``metrics`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
    """
    cases = dict(list(validity.groupby(METRIC, sort=False)))

    def rank(key: Any) -> tuple[int, bool, int]:
        dataset, protocol, metric = key
        place = [*settings["metrics"], metric].index(metric)
        return [ALL, *settings["datasets"], dataset].index(dataset), protocol != STRICT, place

    several = len({dataset for dataset, *_ in cases} - {ALL}) > 1
    for key in sorted((key for key in cases if several or key[0] != ALL), key=rank):
        dataset, protocol, metric = map(str, key)
        rows = cases[key]
        final, controls = rows[rows["control"] == VERDICT], rows[rows["control"] != VERDICT]
        if final.empty:
            continue
        evidence = controls if dataset != ALL else _of_all(validity, protocol, metric, settings)
        outcomes: dict[str, list[str]] = {}
        for control, outcome in zip(evidence["control"], evidence["outcome"], strict=True):
            outcomes.setdefault(group(control), []).append(outcome)
        by_group = {name: worst(outcomes[name]) for name in (*GROUPS, OTHER) if name in outcomes}
        row = final.iloc[0]
        final_outcome, reason = str(row["outcome"]), str(row["reason"])
        yield Verdict(dataset, protocol, metric, final_outcome, reason, by_group, controls)


def _of_all(
    validity: pd.DataFrame, protocol: str, metric: str, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the controls of a metric on all data sets but those that are controls themselves."""
    rows = where(validity, protocol=protocol, metric=metric)
    controls = [name for name, spec in settings["data"].items() if spec["control"]]
    return rows[~rows["dataset"].isin(controls) & (rows["control"] != VERDICT)]


def preferred(
    statistics: pa.Table, evaluations: Evaluations, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Return HiResCAM - Grad-CAM over all Flatten networks, oriented so that more is better.

    In the settings that are judged.

    Args:
        statistics: rows of ``STATISTICS``.
        evaluations: all that were declared.
        settings: ``data`` (:func:`faithcam.experiment.datasets.specs`).

    Returns:
        Columns ``estimate``, ``low``, ``high``, ``floor``, ``n`` and ``reach`` (the largest value
        of the same metric and protocol); index: data set, protocol, metric.
    """
    frame = where(
        statistics.to_pandas(), method_a=PAIR[0], method_b=PAIR[1], effect_name="Cohen dz",
        architecture="all", head="flatten",
    )  # fmt: skip
    places = frame[["dataset", "protocol"]].drop_duplicates().itertuples(index=False, name=None)
    judged = {
        (dataset, protocol, metric): str(setting)
        for dataset, protocol in places
        for metric, setting in asked.judged(
            evaluations, protocol, dataset, exempt=settings["data"][dataset]["exempt"]
        ).items()
    }
    keys = zip(*(frame[name] for name in METRIC), frame["setting"], strict=True)
    chosen = [judged.get(tuple(key)) == setting for *key, setting in keys]
    frame = frame[np.array(chosen, bool)]
    sign = frame["metric"].map(evaluations.sign).astype(float)
    ends = frame[["low", "high"]].mul(sign, axis=0)
    frame = frame.assign(
        estimate=frame["estimate"] * sign, low=ends.min(axis=1), high=ends.max(axis=1)
    )
    reach = frame[["estimate", "low", "high", "floor"]].abs().max(axis=1)
    largest = reach.groupby([frame["protocol"], frame["metric"]]).transform("max")
    frame = frame.assign(reach=largest.where(largest > 0, 1))
    return frame.set_index(["dataset", "protocol", "metric"])
