"""The tables of the report on controls: verdicts, predicted against observed, multiverse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures.style import percent
from faithcam.metrics.registry import METRICS
from faithcam.report_tables import NONE, Table, interval, number
from faithcam.verdicts import OTHER, VERDICT, group, preferred, verdicts

SYMBOLS = {
    "pass": "\N{CHECK MARK} pass",
    "fail": "\N{BALLOT X} fail",
    "inconclusive": "? inconclusive",
    "reported": f"{NONE} reported",
}
OUTCOMES = {"valid": "pass", "not valid": "fail", "inconclusive": "inconclusive"}


def verdict_table(
    validity: pd.DataFrame, statistics: pa.Table, settings: Mapping[str, Any]
) -> Table:
    """Return the verdict on each metric with its preference and the groups of controls."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "Verdicts",
        [*("data set", "protocol", "metric", "verdict", "failed", "undecided"), "not run"],
        ["passed", "prefers HiResCAM by", f"{level} interval", "floor"],
        (
            "Valid: no control failed, and sham, agreement with gold and the perfect imputer "
            "passed. Passed: how many groups of controls, of those that were run. Of all data sets "
            "together: the worst of each. The preference is HiResCAM's score minus Grad-CAM's, "
            "turned so that more is better for HiResCAM. A preference of a metric that is not "
            "valid is no evidence of faithfulness."
        ),
    )
    preferences = preferred(statistics, settings)
    for verdict in verdicts(validity, settings):
        key = (verdict.dataset, verdict.protocol, verdict.metric)
        cells = [NONE] * 3
        if key in preferences.index:
            row = preferences.loc[[key]].iloc[0]
            cells = [number(row["estimate"], sign=True), interval(row, sign=True)]
            cells.append(number(row["floor"], 2))
        passed = len(verdict.names("pass"))
        groups = (verdict.names("fail"), verdict.names("inconclusive"), verdict.missing())
        table.add(
            *(verdict.dataset, verdict.protocol, METRICS[verdict.metric].title),
            SYMBOLS[OUTCOMES[verdict.outcome]].split()[0] + f" {verdict.outcome}",
            *(", ".join(names) or NONE for names in groups),
            f"{passed} of {len(verdict.groups) - len(verdict.names('reported'))}",
            *cells,
        )
    return table


def control_table(validity: pd.DataFrame) -> Table:
    """Return every control: predicted against observed."""
    table = Table(
        "Controls: predicted against observed",
        ["data set", "protocol", "metric", "group", "control", "role", "predicted", "outcome",
         "because"],
        ["n", "observed", "interval", "floor", "threshold"],
        (
            "A group in the figure says what its worst control says. Required: a valid metric has "
            "to pass them; control: one that fails takes the validity away; positive: a test of "
            "the code, proven; descriptive: no prediction."
        ),
        folded=True,
    )  # fmt: skip
    for _, row in validity[validity["control"] != VERDICT].iterrows():
        name = group(str(row["control"]))
        table.add(
            *(row["dataset"], row["protocol"], METRICS[row["metric"]].title),
            NONE if name == OTHER else name,
            str(row["control"]).replace("_", " "),
            *(row["role"], row["prediction"] or NONE, SYMBOLS[row["outcome"]], row["reason"]),
            *(row["n"], number(row["estimate"], sign=True), interval(row, sign=True)),
            *(number(row["floor"], 2), _threshold(row["threshold"])),
        )
    return table


def _threshold(value: float) -> str:
    return NONE if np.isnan(value) else f"{value:g}"


def multiverse_table(multiverse: pd.DataFrame) -> Table:
    """Return in what share of the specifications each map wins."""
    table = Table(
        "Multiverse",
        ["data set", "metric"],
        ["specifications", "HiResCAM wins", "share", "undecided or within the floor",
         "Grad-CAM wins"],
        (
            "Every declared way to compute the metric, without duplicates; a win is an interval "
            "above zero and an estimate beyond the noise floor. Specifications share networks and "
            "images: the share is a description, not a test."
        ),
    )  # fmt: skip
    for key, rows in multiverse.groupby(["dataset", "metric"], sort=False):
        counts = rows["outcome"].value_counts()
        wins = int(counts.get("win", 0))
        dataset, metric = map(str, key)
        table.add(
            *(dataset, METRICS[metric].title, len(rows), wins, percent(wins / len(rows))),
            *(counts.get("within floor", 0), counts.get("loss", 0)),
        )
    return table
