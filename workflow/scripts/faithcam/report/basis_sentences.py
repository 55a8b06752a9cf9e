"""The grounds of the answer, and its limits, in sentences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.figures.style import look, percent
from faithcam.report.claims import published_claims
from faithcam.report.wording import listed, named_rows, planned_networks, some
from faithcam.results.declared import STRICT, THESIS
from faithcam.statistics.settings import MODEL, PAIR, where


def published(statistics: pa.Table) -> str:
    """Return the counts of the published claims."""
    texts = [
        f"{claim.text} in {claim.here.holds} of {claim.here.cases} {claim.unit}"
        + (f" ({claim.here.tied} tied)" if claim.here.tied else "")
        for claim in published_claims(statistics)
        if claim.here.cases
    ]
    return f"Published claims in the thesis protocol: {'; '.join(texts)}." if texts else ""


def grid(models: pa.Table, settings: Mapping[str, Any]) -> str:
    """Return what was planned, what is missing and what was left out."""
    planned = planned_networks(settings)
    rows = dict(named_rows(models))
    missing = [name for name in planned if name not in rows]
    there = len(planned) - len(missing)
    text = f"Grid: {there} of {len(planned)} planned networks are there"
    if missing:
        text += f" (INCOMPLETE, missing: {some(missing)})"
    return f"{text}, {left_out(models) or 'none was left out.'}"


def left_out(models: pa.Table) -> str:
    """Return which networks were left out, why, and what helps; "" if none was."""
    reasons = [f"{name}: {r['reason']}" for name, r in named_rows(models) if not r["included"]]
    if not reasons:
        return ""
    return (
        f"{len(reasons)} left out ({some(reasons)}). What helps where one is not above chance: "
        "more test images (the interval is over them), more training images or epochs (training), "
        "ImageNet weights to start from (training.pretrained), your own (trained_weights)."
    )


def axioms(models: pa.Table, checks: pa.Table) -> str:
    """Return which axiom checks failed and which networks were not checked."""
    rows = named_rows(checks)
    failed = [f"{name} {row['check']}" for name, row in rows if not row["passed"]]
    checked = {name for name, _ in rows}
    # with head other no law says what maps are
    lawful = [name for name, row in named_rows(models) if row["head"] != "other"]
    unchecked = [name for name in lawful if name not in checked]
    if failed:
        return f"AXIOMS VIOLATED, trust nothing here: {some(failed)}."
    text = f"Axioms: all {len(rows)} checks of {len(checked)} networks passed"
    if unchecked:
        text += f"; not checked: {some(unchecked)}"
    return (text if rows else "Axioms: no check was run") + "."


def incomplete(completeness: pa.Table | None) -> str:
    """Say how far maps are from adding up where no theorem says that they do; "" if nowhere."""
    if completeness is None or not len(completeness):
        return ""
    frame = completeness.to_pandas()
    names = list(dict.fromkeys(f"{a}-{h}" for a, h in frame[MODEL[1:3]].to_numpy()))
    misses = [
        f"{look(method).name}'s by {percent(miss)}"
        for method in PAIR
        if (miss := missed(where(frame, method=method))) is not None
    ]
    measured = f" Their sums miss it, median over all maps: {listed(misses)}." if misses else ""
    return (
        f"That maps add up to the score of {some(names)}: with a head other than Flatten or GAP "
        f"and one linear layer completeness is not proven, but measured.{measured}"
    )


def missed(maps: pd.DataFrame) -> float | None:
    """Return the median of |sum of a map - score| / |score|; None without maps."""
    score = maps["score_minus_bias"]
    shares = ((maps["map_sum"] - score) / score).abs()
    return float(shares.median()) if len(shares) else None


def twins(frame: pd.DataFrame) -> str:
    """Say how many scores differ, of all scores of both maps."""
    rows = where(frame, effect_name="images that differ", level="image")
    if rows.empty:
        return "GAP twins: not run, so the control of exactly zero difference is missing."
    networks = len(rows[MODEL].drop_duplicates())
    unequal, pairs = int(rows["effect"].sum()), int(rows["n"].sum())
    if unequal:
        return (
            f"GAP TWINS DIFFER in {unequal} of {pairs} pairs of scores although both maps are the "
            "same: a defect."
        )
    return (
        f"GAP twins: exactly zero difference in all {pairs} pairs of scores of {networks} networks."
    )


def blank(frame: pd.DataFrame, metrics: list[str]) -> str:
    """Return the largest mean share of blank maps over metrics and data sets."""
    rows = where(
        frame, effect_name="blank share", architecture="all", head="flatten", level="model"
    )
    # another metric's maps may be blank in a view of its own
    rows = rows[rows["metric"].isin(metrics)]
    texts = []
    for protocol, view in ((THESIS, "after ReLU"), (STRICT, "signed")):
        worst = rows[rows["protocol"] == protocol].groupby("method_a")["estimate"].max()
        if set(PAIR) <= set(worst.index):
            shares = [f"{percent(worst[method])} {look(method).name}" for method in PAIR]
            texts.append(f"{listed(shares)} ({protocol}, {view})")
    return f"Blank maps on Flatten heads: {'; '.join(texts)}." if texts else ""


NOT_SHOWN = (
    "Not shown: whether a metric prefers a map because it is faithful, which a preference cannot "
    "tell; and where images are not drawn anew for each seed, the networks of a data set share its "
    "test images, so the intervals cover retraining, not new images."
)
