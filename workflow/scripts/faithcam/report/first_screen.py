"""The first screen: what was run, which map is right, which metric finds it, on which grounds."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.figures.style import percent
from faithcam.report import basis_sentences, map_leaderboard, metric_leaderboard
from faithcam.report.claims import published_claims
from faithcam.report.estimand_names import estimand_name
from faithcam.report.map_leaderboard import side
from faithcam.report.table import Table, ascii_text, interval, number, plain
from faithcam.report.wording import listed, named_rows, planned_networks
from faithcam.results.declared import Evaluations
from faithcam.statistics.agreement import FORMS, OF_ONE_NETWORK, OTHER, OVERLAPPING, PATCHES
from faithcam.statistics.settings import PAIR, where
from faithcam.truth.estimands import ESTIMANDS

WIDTH = 100
MAPS = 6  # rows of the short table
SAID = {
    "HiResCAM": "HiResCAM is nearer",
    "Grad-CAM": "Grad-CAM is nearer",
    "undecided": "No difference is established",
    "undecided, one unit": "A single unit decides nothing",
}
SHOWING = "where absent cells show"
SHORT = 2  # data sets that have tables on the first screen


@dataclass(frozen=True)
class Block:
    """A part of the first screen: a heading, then tables, then lines."""

    title: str = ""
    tables: list[Table] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it in lines of ``WIDTH`` characters at most."""
        lines = textwrap.wrap(self.title, WIDTH)
        for table in self.tables:
            lines += plain(table, WIDTH)
        for line in self.lines:
            lines += textwrap.wrap(ascii_text(line), WIDTH)
        return "\n".join(lines)


@dataclass(frozen=True)
class Truths:
    """The tables of a run that has a truth.

    Args:
        agreement: rows of ``AGREEMENT``.
        concordance: rows of ``CONCORDANCE``.
        validity: rows of ``VERDICTS``.
        admission: rows of ``ADMISSION``.
    """

    agreement: pd.DataFrame
    concordance: pd.DataFrame
    validity: pd.DataFrame
    admission: pd.DataFrame

    @classmethod
    def of(
        cls, agreement: pa.Table, concordance: pa.Table, validity: pa.Table, admission: pa.Table
    ) -> "Truths | None":
        """Return the tables as frames; None if no map was compared with the truth."""
        tables = (agreement, concordance, validity, admission)
        return cls(*(table.to_pandas() for table in tables)) if len(agreement) else None


def blocks(
    truths: Truths,
    statistics: pa.Table,
    models: pa.Table,
    checks: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    completeness: pa.Table | None = None,
) -> list[Block]:
    """Return the first screen of a run with a truth.

    Args:
        truths: its tables.
        statistics: rows of ``STATISTICS``.
        models: rows of ``MODELS``.
        checks: rows of ``CHECKS``.
        evaluations: all that were declared.
        settings: see :func:`faithcam.report.answer.answer`.
        completeness: see there.
    """
    return [
        Block(lines=_run(statistics, models, checks, settings)),
        _maps(truths, settings),
        _metrics(truths, evaluations, settings),
        Block("The published claims, in the published protocol", lines=_claims(statistics)),
        Block("What this does not show", lines=limits(truths, settings, completeness)),
    ]


def text(parts: list[Block]) -> str:
    """Return the first screen as plain text."""
    return "\n\n".join(block.text() for block in parts)


def _run(
    statistics: pa.Table, models: pa.Table, checks: pa.Table, settings: Mapping[str, Any]
) -> list[str]:
    """Return what was run in a line, and a line for each thing that went wrong."""
    planned, there = planned_networks(settings), dict(named_rows(models))
    left_out = basis_sentences.left_out(models)
    here = sum(name in there for name in planned)
    simulated = [name for name in settings["datasets"] if settings["data"][name]["simulated"]]
    names = [f"{n} (simulated)" if n in simulated else n for n in settings["datasets"]]
    shown = ", ".join(names) if len(names) <= SHORT else f"{len(names)} data sets"
    line = f"Run: {shown}; {here} of {len(planned)} networks"
    line += f"; {settings['explained_images']} images explained"
    axioms = basis_sentences.axioms(models, checks)
    passed = bool(len(checks)) and all(checks["passed"].to_pylist())
    if passed and "not checked" not in axioms:
        line += f"; all {len(checks)} axiom checks hold"
    lines = [f"{line}."]
    if here < len(planned):
        lines.append(basis_sentences.grid(models, settings))
    elif left_out:
        lines.append(left_out)
    if not passed or "not checked" in axioms:
        lines.append(axioms)
    twins = basis_sentences.twins(statistics.to_pandas())
    return [*lines, twins] if "DIFFER" in twins else lines


def _maps(truths: Truths, settings: Mapping[str, Any]) -> Block:
    block = Block(
        "Which map is right? Agreement (Spearman) with the truth, by what absent cells show"
    )
    for dataset in settings["datasets"]:
        of = where(truths.agreement, dataset=dataset)
        forms = [form for form in FORMS if form in set(of["networks"])]
        if not forms:
            block.lines.append(f"{dataset}: no network has a truth.")
            continue
        if len(settings["datasets"]) <= SHORT:
            table = map_leaderboard.maps(of, dataset, forms[0], settings, only=MAPS)
            table.words = [f"{dataset}, {FORMS[forms[0]]}"]
            block.tables.append(table)
            if any(cell.endswith("*") for row in table.rows for cell in row):
                block.lines.append(f"* {map_leaderboard.LAW}")
        if OVERLAPPING in forms or OTHER not in forms:
            block.lines.append(_against(of, dataset, settings, OVERLAPPING))
        if OTHER in forms:
            block.lines.append(_against(of, dataset, settings, OTHER))
        if PATCHES in forms:
            block.lines.append(_on_patches(of, dataset))
    return block


def _against(agreement: pd.DataFrame, dataset: str, settings: Mapping[str, Any], form: str) -> str:
    """Return HiResCAM against Grad-CAM on one kind of networks, per estimand."""
    pair = {"measure": "spearman", "method_a": PAIR[0], "method_b": PAIR[1]}
    rows = where(agreement, networks=form, **pair)
    of = {str(row["estimand"]): row for _, row in rows.iterrows()}
    names = [name for name in ESTIMANDS if name in of]
    of_form = f"{FORMS[OTHER]} of " if form == OTHER else ""
    start = f"On {of_form}{dataset}, HiResCAM - Grad-CAM"
    if form not in set(agreement["networks"]):
        return f"{start}: no overlapping network has a truth."
    if not names:
        both = set(PAIR) <= set(agreement["method_a"])
        why = "with GAP heads both are one map" if both else "not both were asked for"
        return f"{start}: {why}."
    sides: dict[str, list[str]] = {}
    for name in names:
        sides.setdefault(side(of[name]), []).append(estimand_name(name))
    first = of[names[0]]
    detail = number(first["estimate"], sign=True)
    inside = [f"n = {first['n']} {_units(first)}"]
    if first["n"] > 1:
        level = percent(settings["statistics"]["confidence"])
        inside = [f"{level} interval {interval(first, sign=True)}", *inside]
        inside.append(f"p = {number(first['p'], 2)}")
    texts = [f"{SAID[word]} {SHOWING} {listed(some)}" for word, some in sides.items()]
    where_shown = f"{SHOWING} {estimand_name(names[0])}"
    return f"{start} {where_shown}: {detail} ({', '.join(inside)}). {'. '.join(texts)}."


def _units(row: "pd.Series[Any]") -> str:
    """Return what the units of a row of ``AGREEMENT`` are, as many as there are."""
    if row["unit"] in OF_ONE_NETWORK:
        return f"{row['unit']} of this network"
    kind = "patch " if row["networks"] == PATCHES else f"{OVERLAPPING} "
    units = row["unit"][: -1 if row["n"] == 1 else None]
    return f"{units} with head other" if row["networks"] == OTHER else f"{kind}{units}"


def _on_patches(agreement: pd.DataFrame, dataset: str) -> str:
    rows = where(agreement, networks=PATCHES, measure="spearman")
    most = rows.sort_values("n", kind="stable").iloc[-1]
    of = f"the {most['n']} {_units(most)}"
    if most["unit"] in OF_ONE_NETWORK:
        of = "the patch network"
    return (
        f"On {of} of {dataset} HiResCAM less its mean is the truth: that follows from the "
        "definition."
    )


def _metrics(truths: Truths, evaluations: Evaluations, settings: Mapping[str, Any]) -> Block:
    judged = set(truths.validity["dataset"]) - {"all"}
    first = [name for name in ESTIMANDS if name in set(truths.validity["estimand"])]
    about = f" ({estimand_name(first[0])})" if first else ""
    block = Block(
        f"Which metric finds it? C: share of pairs in which it prefers the nearer map{about}"
    )
    for dataset in settings["datasets"]:
        if dataset not in judged:
            block.lines.append(f"{dataset}: no metric was judged.")
            continue
        if len(settings["datasets"]) <= SHORT:
            table = metric_leaderboard.metrics_in_short(truths.validity, evaluations, dataset)
            block.tables.append(table)
        text = metric_leaderboard.recommended(truths.validity, evaluations, dataset)
        block.lines.append(f"{dataset}: {text}" if len(settings["datasets"]) > 1 else text)
    confirm = settings["concordance"]["confirm"]
    block.lines.extend(metric_leaderboard.chosen(truths.validity, evaluations, confirm))
    return block


def _claims(statistics: pa.Table) -> list[str]:
    lines = []
    for claim in published_claims(statistics):
        here, there = claim.here, claim.published
        said = f"in {here.holds} of {here.cases} {claim.unit}" if here.cases else "not asked"
        said += f" ({here.tied} tied)" if here.tied else ""
        lines.append(f"{claim.text}: here {said}; published {there.holds} of {there.cases}.")
    return lines


def limits(truths: Truths, settings: Mapping[str, Any], completeness: pa.Table | None) -> list[str]:
    """Return what this run does not show, in four lines at most."""
    alone = set(truths.agreement["unit"]) <= set(OF_ONE_NETWORK)
    lines = ["That a map is faithful as such: each number is about one named truth, one way of "
             "removing cells."]  # fmt: skip
    if alone:
        lines.append("Anything about other networks: intervals are over images of one network.")
    elif all(settings["data"][name]["nested"] for name in settings["datasets"]):
        lines.append("Anything about other kinds of networks: intervals are over training seeds.")
    else:
        lines.append("Anything about other images: intervals are over networks that share theirs.")
    simulated = [name for name in settings["datasets"] if settings["data"][name]["simulated"]]
    if simulated:
        which = listed(simulated) if len(simulated) <= SHORT else "phantoms"
        lines.append(f"Anything about patients: images of {which} are simulated.")
    if incomplete := basis_sentences.incomplete(completeness):
        lines.append(incomplete)
    return lines
