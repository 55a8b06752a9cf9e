"""Leaderboard of maps: which one is right, by its agreement with the truth, and what mends it.

What decides is one rule: a difference is one whose interval leaves out 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from faithcam.figures.style import look, percent
from faithcam.metrics.accuracy.names import OCCLUSION, SHIFTED
from faithcam.report.estimand_names import estimand_name, in_order
from faithcam.report.table import NONE, Table, decimals, interval, number
from faithcam.report.wording import lean
from faithcam.statistics.agreement import CORRECTED, FORMS, OF_ONE_NETWORK, OVERLAPPING
from faithcam.statistics.settings import PAIR, where
from faithcam.validity.judgement import ESTIMANDS as DECIDED

BESIDE = "mean_truth_of_others"  # what no map needs to be better than by chance
LAW = "follows from the definition"
MEASURES = {"spearman": "Spearman", "pearson": "Pearson", "top10": "overlap of the top tenth"}
SIDES = {
    "hirescam": "HiResCAM",
    "gradcam": "Grad-CAM",
    "zero": "undecided",
    "single": "undecided, one unit",
}


def map_name(method: str) -> str:
    """Return a map's name in texts."""
    if method.startswith(OCCLUSION):
        return f"occlusion, {estimand_name(method.removeprefix(OCCLUSION))}"
    return look(method).name


def boards(agreement: pd.DataFrame, settings: Mapping[str, Any]) -> list[Table]:
    """Return HiResCAM against Grad-CAM, what corrections bring, then all maps.

    The last ones by measure, data set and kind of network.

    Args:
        agreement: rows of ``AGREEMENT``.
        settings: the config.
    """
    of_maps = [
        maps(agreement, dataset, networks, settings, measure)
        for measure in MEASURES
        for dataset in settings["datasets"]
        for networks in FORMS
        if len(where(agreement, dataset=dataset, networks=networks, measure=measure))
    ]
    return [nearer(agreement, settings), corrections(agreement, settings), *of_maps]


def maps(
    agreement: pd.DataFrame,
    dataset: str,
    networks: str,
    settings: Mapping[str, Any],
    measure: str = "spearman",
    only: int | None = None,
) -> Table:
    """Return how near each map is to the truth on one kind of networks, nearest first.

    Args:
        agreement: rows of ``AGREEMENT``.
        dataset: name of the data set.
        networks: a key of ``FORMS``.
        settings: the config.
        measure: of agreement.
        only: how many maps at most: HiResCAM, Grad-CAM, the truth of other images, the best
            occlusion, and the best of the rest; the first estimand's interval stands beside it.
    """
    rows = where(agreement, dataset=dataset, networks=networks, measure=measure)
    estimands = in_order(rows["estimand"])
    means = where(rows, method_b="")
    wide = means.pivot(index="method_a", columns="estimand", values="estimate")[estimands]
    wide = wide.sort_values(estimands, ascending=False, kind="stable", na_position="last")
    level = percent(settings["statistics"]["confidence"])
    ns = sorted(set(means["n"]))
    units = str(means["unit"].iloc[0])
    if units in OF_ONE_NETWORK:
        units += " of this network"
    elif ns == [1]:
        units = units[:-1]
    table = Table(
        f"Which map is right? {dataset}, {FORMS[networks]}, {MEASURES[measure]}",
        ["map"],
        [estimand_name(name) for name in estimands],
        (
            f"Agreement with the truth ({MEASURES[measure]}"
            + (", divided by the root of the truth's reliability" * (measure == "spearman"))
            + f") of the signed map, mean over {_span(ns)} {units} ({level} t interval, cut where "
            "it leaves [-1, 1]). Columns: "
            + "what an absent cell shows instead, each a truth of its own. "
            + _unresolved(rows, estimands)
        ),
        folded=measure != "spearman",
    )  # fmt: skip
    chosen = [str(name) for name in wide.index]
    if only is not None:
        chosen = _chosen(chosen, only)
    starred = ""
    for method in chosen:
        cells = []
        for place, estimand in enumerate(estimands):
            cell = where(means, method_a=method, estimand=estimand)
            if cell.empty:
                cells.append(NONE)
                continue
            row = cell.iloc[0]
            text = decimals(row["estimate"])
            if (only is None or not place) and row["n"] > 1:
                # a correlation; what noise in the truth hides is added, so its mean may exceed 1
                low, high = (max(-1.0, row["low"]), min(max(1.0, row["estimate"]), row["high"]))
                text += f" ({decimals(low)} to {decimals(high)})"
            if row["law"]:
                text += " *"
                starred = f" *: {LAW}."
            cells.append(text)
        table.add(map_name(method), *cells, strong=method in PAIR)
    table.note += starred
    return table


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _unresolved(rows: pd.DataFrame, estimands: Sequence[str]) -> str:
    texts = []
    for name in estimands:
        of = where(rows, estimand=name)
        if of["unresolved"].max():
            counts = f"{of['unresolved'].max()} of {of['images'].max()}"
            texts.append(f"{counts} ({estimand_name(name)})")
    if not texts:
        return "No image was left out."
    return f"Images left out because their truth is not resolved: {', '.join(texts)}."


def _chosen(nearest: Sequence[str], count: int) -> list[str]:
    """Return the maps of a short table, in the order of ``nearest``."""
    occlusions = [name for name in nearest if name.startswith(OCCLUSION)]
    fixed = [*(n for n in (*PAIR, BESIDE) if n in nearest), *occlusions[:1]]
    rest = [name for name in nearest if name not in fixed and name not in occlusions]
    kept = {*fixed, *rest[: max(0, count - len(fixed))]}
    return [name for name in nearest if name in kept]


def nearer(agreement: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return HiResCAM - Grad-CAM in agreement with each estimand."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "HiResCAM - Grad-CAM in agreement with the truth",
        ["data set", "networks", "estimand"],
        ["n", "difference", f"{level} interval", "p", "nearer to the truth"],
        (
            "Positive: HiResCAM is nearer. Spearman; without networks with GAP heads, where both "
            "are one map; t interval and sign-flip test over n units; no p is adjusted. The first "
            "estimand on overlapping networks is the declared endpoint. On patch networks the "
            "difference follows from the definition of the truth and is no evidence."
        ),
    )
    rows = where(agreement, measure="spearman", method_a=PAIR[0], method_b=PAIR[1])
    for dataset in settings["datasets"]:
        for networks, form in FORMS.items():
            of = where(rows, dataset=dataset, networks=networks)
            for place, name in enumerate(in_order(of["estimand"])):
                row = where(of, estimand=name).iloc[0]
                table.add(
                    dataset, form, estimand_name(name), row["n"],
                    number(row["estimate"], sign=True), interval(row, sign=True),
                    NONE if row["law"] or row["n"] < 2 else number(row["p"], 2),
                    LAW if row["law"] else side(row),
                    strong=networks == OVERLAPPING and not place,
                )  # fmt: skip
    return table


def corrections(agreement: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return how far corrections of maps move their agreement with each estimand."""
    rows = where(agreement, measure="spearman", networks=OVERLAPPING)
    rows = rows[rows["method_b"] == rows["method_a"].map(CORRECTED)]
    estimands = in_order(rows["estimand"])
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "What corrections of maps bring",
        ["data set", "map", "corrected"],
        ["further passes", "n", *(estimand_name(name) for name in estimands)],
        (
            f"Agreement of the corrected map less that of the map as it is ({level} t interval "
            "over n networks, or seeds): positive brings it nearer to that truth. Spearman, "
            "overlapping networks; no correction takes a pass of an explained "
            "image. Less its mean: the mean activations of the training images are taken away, "
            "which takes a pass of each of them, once. Shifted: read at the centres of the cells' "
            "receptive fields, where these lie elsewhere than the cells."
        ),
    )
    for dataset in settings["datasets"]:
        of = where(rows, dataset=dataset)
        for method, plain in CORRECTED.items():
            each = where(of, method_a=method)
            if each.empty:
                continue
            by = {row["estimand"]: row for _, row in each.iterrows()}
            shift = method in SHIFTED
            table.add(
                dataset, map_name(plain), "shifted" if shift else "less its mean",
                "none" if shift else "training images, once", _span(sorted(set(each["n"]))),
                *(_moved(by[name]) if name in by else NONE for name in estimands),
            )  # fmt: skip
    table.note += f" *: {LAW}." * bool(rows["law"].any())
    return table


def _moved(row: "pd.Series[Any]") -> str:
    text = decimals(row["estimate"], sign=True)
    if row["n"] > 1:
        text += f" ({decimals(row['low'], sign=True)} to {decimals(row['high'], sign=True)})"
    return text + " *" * bool(row["law"])


def side(row: "pd.Series[Any]") -> str:
    """Return which map a row of ``AGREEMENT``, a difference, favours; undecided if neither."""
    return SIDES[lean(pd.Series({**row, "floor": np.nan}), sign=1)]


def admission(rows: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return how well each estimand foretells what re-rendering shows, over networks."""
    table = Table(
        "Admission of estimands",
        ["data set", "estimand", "in the declared set"],
        ["networks", "parts", "correlation", "lowest", "relative error", "highest"],
        (
            "Planted parts: sum of the truth over a part's cells against the real fall of the "
            "score when the part is rendered away; mean over networks, and the worst of them. An "
            "estimand that fails here answers its own question, not that of re-rendering."
        ),
    )
    for dataset in settings["datasets"]:
        of = where(rows, dataset=dataset)
        for estimand in in_order(of["estimand"]):
            each = where(of, estimand=estimand)
            table.add(
                dataset, estimand_name(estimand), "yes" if estimand in DECIDED else "no",
                len(each), each["parts"].sum(), number(each["correlation"].mean()),
                number(each["correlation"].min()), number(each["relative_error"].mean()),
                number(each["relative_error"].max()),
            )  # fmt: skip
    return table
