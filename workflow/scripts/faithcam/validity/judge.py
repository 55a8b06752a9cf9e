"""Controls of a metric, predicted against observed, and the verdict: does it reward faithfulness?

Judged per data set, protocol and metric, in one setting each: strict: the primary ones; thesis: the
ones shown beside them. All scores are oriented so that larger is better.

A metric is **not valid** if a required control or another one failed beyond chance; **valid** if
none failed and all required ones passed; else **inconclusive**. A positive control that fails is a
broken law, a defect: nothing is judged then. A control fails beyond chance if it does at the level
of all intervals together (Bonferroni): one of twenty controls may fail by chance, which takes the
validity away, but refutes nothing. Over all data sets but those whose networks are controls
themselves (untrained, shuffled labels): not valid if a control failed beyond chance, all of their
intervals counted; valid if there is a data set on which all required controls could be judged, it
is valid on each such data set and no control failed on any other; else inconclusive. So data sets
without a known truth can refute a metric, not confirm it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from faithcam.results import io as tables
from faithcam.results.declared import STRICT, Evaluations
from faithcam.statistics.settings import PAIR
from faithcam.validity import asked, multiverse, outcomes
from faithcam.validity.case import Case
from faithcam.validity.control import CONTROL, POSITIVE, REQUIRED, Control
from faithcam.validity.evidence import read
from faithcam.validity.predictions import CONTROLS
from faithcam.validity.tables import MULTIVERSE, VALIDITY, VALIDITY_KEY

Row = dict[str, Any]
VERDICT = "verdict"
VALID, NOT_VALID, INCONCLUSIVE = "valid", "not valid", "inconclusive"
NEEDED = tuple(dict.fromkeys(control.name for control in CONTROLS if control.role == REQUIRED))
CLAIM = "no control fails, all required ones pass"


def judge(
    scores: Path | str,
    models: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    part_shapley: pa.Table | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Judge every metric of an experiment.

    Args:
        scores: path of scores.parquet; only the rows that are needed are read.
        models: rows of ``MODELS``; only included networks are used.
        evaluations: all that were declared.
        settings: ``protocols``, ``statistics`` and ``validity`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
        part_shapley: rows of ``PART_SHAPLEY``, where the parts of images are known.

    Returns:
        Rows of ``VALIDITY`` and of ``MULTIVERSE``, sorted.
    """
    rows: list[Row] = []
    specifications: list[Row] = []
    for dataset, evidence in read(scores, models, evaluations, settings, part_shapley):
        for protocol in settings["protocols"]:
            exempt = settings["data"][dataset]["exempt"]
            chosen = asked.judged(evaluations, protocol, dataset, exempt=exempt)
            for metric, setting in chosen.items():
                case = Case(evidence, protocol, metric, setting)
                if case.has(*PAIR):
                    known = {"dataset": dataset, "protocol": protocol, "metric": metric}
                    judged = [known | row for row in controls(case)]
                    rows += [*judged, known | verdict(judged)]
        specifications += multiverse.specifications(dataset, evidence)
    rows += over_datasets(rows, [n for n, spec in settings["data"].items() if spec["control"]])
    return (
        _table(rows, VALIDITY, VALIDITY_KEY),
        _table(specifications, MULTIVERSE, ["dataset", "metric", "specification"]),
    )


def _table(rows: Iterable[Row], schema: pa.Schema, order: Sequence[str]) -> pa.Table:
    return tables.concatenate([pa.Table.from_pylist(list(rows), schema)], schema, order)


def controls(case: Case) -> list[Row]:
    """Return the rows of all controls whose scores are there."""
    return [
        row
        for control in CONTROLS
        if control.is_for(case.metric, case.protocol)
        for row in _rows(control, case)
    ]


def _rows(control: Control, case: Case) -> list[Row]:
    measured = control.measure(case)
    if not measured:
        return []
    threshold, margin = (_number(case, key) for key in (control.threshold, control.margin))
    idle, remark = control.condition(case) if control.condition else ("", "")
    rows = []
    for each in measured:
        outcome, reason = control.rule(each.estimate, threshold, margin)
        confidence = case.settings["statistics"]["confidence"]
        among = outcomes.fails_among(control.rule, each.estimate, threshold, margin, confidence)
        if idle:
            outcome, reason = outcomes.REPORTED, idle
        elif remark:
            reason = f"{reason}; {remark}"
        rows.append(
            {
                "setting": str(each.setting),
                "control": control.name,
                "prediction": control.prediction,
                "role": control.role,
                **vars(each.estimate),
                "threshold": np.nan if control.rule is outcomes.reported else threshold,
                "outcome": outcome,
                "reason": reason,
                "fails_among": among,
            }
        )
    return rows


def _number(case: Case, key: str | float) -> float:
    if key == "margins":
        # declared in the units of the primary settings; thesis Max-Sensitivity is not relative
        comparable = case.protocol == STRICT or case.metric != "max_sensitivity"
        return float(case.settings["statistics"]["margins"][case.metric]) if comparable else 0.0
    return float(case.settings["validity"][key] if isinstance(key, str) else key)


def _verdict(n: int, outcome: str, reason: str) -> Row:
    nothing = dict.fromkeys(("estimate", "low", "high", "floor", "threshold"), np.nan)
    known = {"setting": "", "control": VERDICT, "prediction": CLAIM, "role": VERDICT}
    return {**known, **nothing, "n": n, "outcome": outcome, "reason": reason}


def verdict(rows: Sequence[Row]) -> Row:
    """Return the verdict on a metric from the rows of its controls; n counts those that decided."""
    deciding, failed, sure = _failures(rows)
    decided = [row for row in deciding if row["outcome"] in (outcomes.PASS, outcomes.FAIL)]
    if broken := _broken(rows):
        return _verdict(len(decided), INCONCLUSIVE, broken)
    if sure:
        return _verdict(len(decided), NOT_VALID, f"failed: {', '.join(sure)}")
    if failed:
        return _verdict(len(decided), INCONCLUSIVE, _by_chance(deciding, failed))
    by_name = {row["control"]: row["outcome"] for row in deciding}
    missing = [
        f"{name} ({by_name.get(name, 'not measured')})"
        for name in NEEDED
        if by_name.get(name) != outcomes.PASS
    ]
    if missing:
        return _verdict(len(decided), INCONCLUSIVE, f"not passed: {', '.join(missing)}")
    return _verdict(len(decided), VALID, "no control failed, all required ones passed")


def _failures(rows: Sequence[Row]) -> tuple[list[Row], list[str], list[str]]:
    """Return the rows that decide, which controls failed, and which of them beyond chance."""
    deciding = [row for row in rows if row["role"] in (REQUIRED, CONTROL, POSITIVE)]
    failed = [row for row in deciding if row["outcome"] == outcomes.FAIL]
    failed = [row for row in failed if row["role"] != POSITIVE]
    sure = [row for row in failed if row["fails_among"] >= _intervals(deciding)]
    first, second = (sorted({row["control"] for row in part}) for part in (failed, sure))
    return deciding, first, second


def _broken(rows: Sequence[Row]) -> str:
    """Return which laws are broken: a defect of the code or the data, not of a metric."""
    names = {row["control"] for row in rows if (row["role"], row["outcome"]) == (POSITIVE, "fail")}
    return f"a law is broken, so nothing is judged: {', '.join(sorted(names))}" if names else ""


def _intervals(deciding: Sequence[Row]) -> int:
    """Return in how many intervals a metric may fail; laws and what was only reported have none."""
    return sum(row["outcome"] != outcomes.REPORTED and row["low"] == row["low"] for row in deciding)


def _by_chance(deciding: Sequence[Row], failed: Sequence[str]) -> str:
    return f"{', '.join(failed)} failed, but one of {_intervals(deciding)} may by chance"


def over_datasets(rows: Sequence[Row], controls: Collection[str] = ()) -> list[Row]:
    """Return the verdicts over all data sets (``dataset`` = all); the rule is the module's.

    Args:
        rows: of all data sets.
        controls: the data sets whose networks are controls themselves.
    """
    judged = [row for row in rows if row["dataset"] not in controls]
    cases: dict[tuple[str, str], dict[str, str]] = {}
    measured: dict[tuple[str, str, str], set[str]] = {}
    for row in judged:
        protocol, metric, dataset = row["protocol"], row["metric"], row["dataset"]
        measured.setdefault((protocol, metric, dataset), set()).add(row["control"])
        if row["control"] == VERDICT:
            cases.setdefault((protocol, metric), {})[dataset] = row["outcome"]
    verdicts = []
    for (protocol, metric), by_dataset in cases.items():
        complete = [n for n in by_dataset if measured[protocol, metric, n] >= set(NEEDED)]
        known = {"dataset": "all", "protocol": protocol, "metric": metric}
        of_metric = [
            row for row in judged if (row["protocol"], row["metric"]) == (protocol, metric)
        ]
        verdicts.append(known | _verdict(len(by_dataset), *_over(by_dataset, complete, of_metric)))
    return verdicts


def _over(
    by_dataset: Mapping[str, str], complete: Sequence[str], rows: Sequence[Row]
) -> tuple[str, str]:
    deciding, failed, sure = _failures(rows)
    if broken := _broken(rows):
        return INCONCLUSIVE, broken
    if sure:
        refuted = sorted(name for name, outcome in by_dataset.items() if outcome == NOT_VALID)
        return NOT_VALID, f"not valid on {', '.join(refuted)}"
    if failed:
        return INCONCLUSIVE, _by_chance(deciding, failed)
    if not complete:
        return INCONCLUSIVE, "no data set on which all required controls could be judged"
    open_ = sorted(name for name in complete if by_dataset[name] != VALID)
    if open_:
        return INCONCLUSIVE, f"inconclusive on {', '.join(open_)}"
    return VALID, f"valid on {', '.join(sorted(complete))}, no control failed on any other"
