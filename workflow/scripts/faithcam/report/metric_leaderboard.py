"""Leaderboard of metrics: which one finds the truth, and which is recommended."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from faithcam.report.estimand_names import estimand_name, in_order
from faithcam.report.table import NONE, Table, decimals
from faithcam.results.declared import THESIS, Evaluations
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import where
from faithcam.truth.estimands import ESTIMANDS
from faithcam.validity import verdict as words
from faithcam.validity.across import CONFIRMED, NOT_CONFIRMED
from faithcam.validity.verdict import FAMILIES, METHODS

WORDS = {
    words.USABLE: "usable",
    words.BLIND: "no better than blind",
    words.UNDECIDED: "undecided",
    words.NO_INFORMATION: "no information: ties",
    words.OWN_REFERENCE: "its own reference",
    words.TOO_FEW: NONE,
}
RECOMMENDED = "recommended"


def boards(
    validity: pd.DataFrame,
    concordance: pd.DataFrame,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
) -> list[Table]:
    """Return the metrics of each judged data set, then of all together.

    Args:
        validity: rows of ``VERDICTS``.
        concordance: rows of ``CONCORDANCE``.
        evaluations: all that were declared.
        settings: the config.
    """
    judged = set(validity["dataset"])
    return [
        metrics(validity, concordance, evaluations, settings, name)
        for name in (*settings["datasets"], "all")
        if name in judged
    ]


def metrics(
    validity: pd.DataFrame,
    concordance: pd.DataFrame,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    dataset: str,
) -> Table:
    """Return which metrics find the truth on a data set, best first.

    Args:
        validity: rows of ``VERDICTS``.
        concordance: rows of ``CONCORDANCE``: of the published settings, which get no verdict.
        evaluations: all that were declared.
        settings: the config.
        dataset: its name, or all.
    """
    table = Table(
        f"Which metric finds it? {dataset}",
        ["metric", "estimand", "verdict"],
        ["n", *(f"{name}: {of}" for name in FAMILIES for of in ("C / floor", "C - floor"))],
        (
            "C: share of the pairs of maps of an image in which the metric prefers the one nearer "
            "to the truth, ties 1/2. damaged: the truth itself, rearranged towards noise; methods: "
            "the maps of all methods and controls. Floor: C of the best metric that never asks the "
            "network (edges, centre, ...), per network. Intervals of C - floor are simultaneous "
            f"over an estimand's metrics and families (Holm); below {words.FEWEST} networks there "
            "are numbers alone. Best first: smallest C over estimands and families, the metric's "
            "own reference left out: agreement with that (grey) checks the code. Bold: "
            "recommended. As published: described, no verdict. n: networks, or images of a network "
            "alone."
        ),
    )  # fmt: skip
    rows = where(validity, dataset=dataset)
    rows = rows.assign(place=[in_order(ESTIMANDS).index(e) for e in rows["estimand"]])
    chosen = {}
    for _, row in _best_first(rows).iterrows():
        word = WORDS.get(row["word"], row["word"] or NONE)
        asked = [name for name in FAMILIES if not np.isnan(row[f"{name}_difference"])]
        if len(asked) == 1 and word != NONE:
            word = f"{word}, {asked[0]} alone"
        if row["recommended"]:
            word = f"{word}; {RECOMMENDED}"
        cells = [cell for name in FAMILIES for cell in _family(row, name)]
        title = evaluations.title(row["metric"])
        chosen[title] = row["setting"]
        table.add(
            title, estimand_name(row["estimand"]), word, row["networks"], *cells,
            strong=bool(row["recommended"]) and not row["own_reference"],
            faint=bool(row["own_reference"]),
        )  # fmt: skip
    for setting, *cells in _published(concordance, evaluations, settings, dataset):
        chosen[cells[0]] = setting
        table.add(*cells)
    texts = [f"{name}: {text.replace(';', ', ')}" for name, text in chosen.items() if text]
    table.note += f" Settings. {'; '.join(texts)}." if texts else ""
    return table


def _best_first(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(last=rows["lowest"].isna(), first=~rows["recommended"])
    order = ["first", "last", "lowest", "metric", "own_reference", "place"]
    ascending = [True, True, False, True, True, True]
    return rows.sort_values(order, ascending=ascending, kind="stable")


def _family(row: "pd.Series[Any]", name: str) -> list[str]:
    """Return C / floor, and C - floor with its interval, in one family of candidates."""
    c, floor = (decimals(row[f"{name}_{of}"]) for of in ("concordance", "floor"))
    return [NONE if c == floor == NONE else f"{c} / {floor}", _gain(row, name)]


def _gain(row: "pd.Series[Any]", name: str) -> str:
    text = decimals(row[f"{name}_difference"], sign=True)
    if np.isnan(row[f"{name}_low"]):
        return text
    ends = (max(-1.0, min(1.0, row[f"{name}_{end}"])) for end in ("low", "high"))  # C is a share
    low, high = (decimals(end, sign=True) for end in ends)
    return f"{text} ({low} to {high})"


def _published(
    concordance: pd.DataFrame,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    dataset: str,
) -> list[list[str]]:
    """Return the published settings, each with its row: means and t intervals over networks."""
    published = []
    chosen = evaluations.published_settings(settings["plan"]["metrics"], THESIS, dataset)
    rows = where(concordance, dataset=dataset, protocol=THESIS)
    for metric, setting in chosen.items():
        of_metric = where(rows, metric=metric, setting=str(setting))
        for estimand in in_order(of_metric["estimand"]):
            cells, n = [], 0
            for name in FAMILIES:
                each = where(of_metric, estimand=estimand, family=name)
                gain = (each["concordance"] - each["floor"]).dropna().to_numpy(np.float64)
                low, high = t_interval(gain, settings["statistics"]["confidence"])
                row = pd.Series({
                    f"{name}_concordance": each["concordance"].mean(),
                    f"{name}_floor": each["floor"].mean(),
                    f"{name}_difference": gain.mean() if len(gain) else np.nan,
                    f"{name}_low": low, f"{name}_high": high,
                })  # fmt: skip
                cells += _family(row, name)
                n = max(n, len(each))
            title = f"{evaluations.title(metric)}, as published"
            name = estimand_name(estimand)
            published.append([str(setting), title, name, "described", str(n), *cells])
    return published


def metrics_in_short(validity: pd.DataFrame, evaluations: Evaluations, dataset: str) -> Table:
    """Return a row per metric for the first estimand: C - floor of its weaker family.

    Args:
        validity: rows of ``VERDICTS``.
        evaluations: all that were declared.
        dataset: its name.
    """
    rows = where(validity, dataset=dataset)
    first = in_order(rows["estimand"])[0]
    rows = where(rows, estimand=first)
    few = bool(len(rows)) and int(rows["networks"].max()) < words.FEWEST
    table = Table(
        f"Which metric finds it? {dataset}, in short",
        ["metric"],
        ["C damaged", "C methods", "floors", "smaller C - floor", *([] if few else ["verdict"])],
    )
    for _, row in _best_first(rows.assign(place=0)).iterrows():
        known = [name for name in FAMILIES if not np.isnan(row[f"{name}_difference"])]
        weaker = min(known, key=lambda name: row[f"{name}_difference"], default=METHODS)
        c = [decimals(row[f"{name}_concordance"]) for name in FAMILIES]
        floors = " / ".join(decimals(row[f"{name}_floor"]) for name in FAMILIES)
        word = RECOMMENDED if row["recommended"] else WORDS.get(row["word"], NONE)
        table.add(
            evaluations.title(row["metric"]), *c, floors, _gain(row, weaker),
            *([] if few else [word]),
            strong=bool(row["recommended"]), faint=bool(row["own_reference"]),
        )  # fmt: skip
    return table


def recommended(validity: pd.DataFrame, evaluations: Evaluations, dataset: str) -> str:
    """Return which metric is recommended on a data set, in a sentence."""
    rows = where(validity, dataset=dataset)
    units = "images" if "this network" in set(rows["scope"]) else "networks"
    n = int(rows["networks"].min())
    if words.TOO_FEW in set(rows["word"]):
        return f"Fewer than {words.FEWEST} {units} ({n}): numbers alone, no verdict."
    scope = "" if units == "networks" else " All of this is about this network alone."
    best = rows[rows["recommended"]]
    kept = sorted({evaluations.title(m) for m in rows.loc[rows["in_confidence_set"], "metric"]})
    if best.empty:
        text = "No metric is recommended: none is usable for every estimand"
        return (f"{text}; nearest: {', '.join(kept)}." if kept else f"{text}.") + scope
    title = evaluations.title(best.iloc[0]["metric"])
    others = [name for name in kept if name != title]
    also = f"; not surely worse: {', '.join(others)}" if others else ""
    least = decimals(best.iloc[0]["lowest"])
    return f"Recommended: {title} (C at least {least} for every estimand){also}.{scope}"


def chosen(validity: pd.DataFrame, evaluations: Evaluations, confirm: Sequence[str]) -> list[str]:
    """Return whether what was chosen on some data sets was confirmed on others, a sentence or none.

    Args:
        validity: ``VERDICTS``.
        evaluations: all that were declared.
        confirm: the data sets to confirm on; if empty it was half of them.
    """
    rows = where(validity, dataset="all")
    rows = rows[rows["word"].isin([CONFIRMED, NOT_CONFIRMED])]
    if rows.empty:
        return []
    title, word = evaluations.title(rows.iloc[0]["metric"]), rows.iloc[0]["word"]
    some, others = ("the others", ", ".join(confirm)) if confirm else ("one half", "the other half")
    return [f"{title} is the best metric on {some} of the data sets; on {others} it is {word}."]
