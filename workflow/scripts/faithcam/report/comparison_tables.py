"""The report's tables of scores and their comparisons."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from faithcam.figures.style import HEADS, look, ordered, percent
from faithcam.report.claims import Claim, Counts
from faithcam.report.table import NONE, Table, interval, number, oriented, shown_settings
from faithcam.report.wording import network
from faithcam.results.declared import STRICT, Evaluations
from faithcam.statistics.settings import DIFFERENCES, MODEL, PAIR, columns_of, where


def differences(
    frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]
) -> Table:
    """Return HiResCAM - Grad-CAM over networks."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "HiResCAM - Grad-CAM over networks",
        ["data set", "protocol", "metric", "networks", "head"],
        ["n", "difference", f"{level} interval", "floor", "dz", "p", "p (Holm)"],
        (
            "Paired by image, averaged per network, tested over networks (exact sign flip). Bold: "
            "primary comparisons. Positive: better for HiResCAM, also where a lower score is the "
            "better one. dz: mean / standard deviation over networks. Floor: how far the mean "
            "difference moves when only the noise replicate changes, 95 % quantile. GAP: both maps "
            "are the same, so every score must be, bit for bit; there is nothing to test."
        ),
    )
    pair = where(frame, method_a=PAIR[0], method_b=PAIR[1], level="model")
    pair = pair[pair["effect_name"].isin(DIFFERENCES)]
    for dataset in settings["datasets"]:
        for protocol, metric, setting in shown_settings(evaluations, settings, dataset):
            rows = where(pair, dataset=dataset, protocol=protocol, metric=metric, setting=setting)
            for _, row in rows.sort_values(["head", "architecture"]).iterrows():
                if _is_twin(row) and row["architecture"] != "all":
                    continue
                sign = evaluations.sign(metric)
                table.add(
                    dataset, protocol, evaluations.title(metric), row["architecture"],
                    HEADS[row["head"]], row["n"], *_difference(row, sign), number(row["p_holm"], 2),
                    strong=bool(row["primary"]),
                )  # fmt: skip
    return table


def _is_twin(row: "pd.Series[Any]") -> bool:
    """Return whether a row compares the maps of a GAP head, which are the same."""
    return bool(row["effect_name"] == "images that differ")


def _difference(row: "pd.Series[Any]", sign: int) -> list[str]:
    """Return a paired difference, its interval, noise floor, effect size and p."""
    row = row if _is_twin(row) else oriented(row, sign)
    difference, effect = number(row["estimate"], sign=True), number(row["effect"], 2)
    if _is_twin(row):
        unequal = f"{row['effect']:.0f} scores differ!"
        difference, effect = unequal if row["effect"] else "exactly 0", NONE
    floor, p = number(row["floor"], 2), number(row["p"], 2)
    return [difference, interval(row, sign=True), floor, effect, p]


def claims(claims: Sequence[Claim]) -> Table:
    """Return the published claims beside our counts."""
    table = Table(
        "The published claims, restated",
        ["claim", "counted"],
        ["published", "p", "p (ties against)", "here", "p", "p (ties against)"],
        (
            "Counts: holds / fails / tied, with two-sided exact sign tests (ties dropped, or "
            "counted against). Thesis protocol, Flatten heads, mean over region sizes or radii per "
            "network. Published: eight networks, one training run each, on four data sets "
            "(doi 10.1016/j.cmpb.2024.108238; values rounded to two decimals). The cases are not "
            "independent: networks share test images, and HAAS counts two maps per network."
        ),
    )

    def cells(counts: Counts) -> tuple[str, str, str]:
        text = f"{counts.holds} / {counts.fails} / {counts.tied}"
        return text, number(counts.p("dropped"), 2), number(counts.p("against"), 2)

    for claim in claims:
        table.add(claim.text, claim.unit, *cells(claim.published), *cells(claim.here))
    return table


def against_random(
    frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]
) -> Table:
    """Return the maps of the network against baselines."""
    table = Table(
        "Maps against baselines",
        ["data set", "metric", "head", "difference of", "and"],
        ["n", "difference", "interval", "p"],
        (
            "Strict protocol, primary settings, all networks; positive: better for the first map. "
            "A metric that does not prefer a network's maps to random ones, or to HiResCAM with "
            "its cells shuffled, measures something else. With GAP all maps of the "
            "network are the same. No p is adjusted here."
        ),
    )
    rows = where(frame, protocol=STRICT, architecture="all", effect_name="Cohen dz")
    rows = rows[(rows["method_a"] != PAIR[0]) | (rows["method_b"] != PAIR[1])]
    chosen = evaluations.published_settings(settings["plan"]["metrics"])
    texts = {metric: str(setting) for metric, setting in chosen.items()}
    rows = rows[rows["setting"] == rows["metric"].map(texts)]
    rows = rows[(rows["head"] != "gap") | (rows["method_a"] == PAIR[0])]
    order = ["dataset", "metric", "head", "method_a", "method_b"]
    for _, row in rows.sort_values(order).iterrows():
        row = oriented(row, evaluations.sign(row["metric"]))
        table.add(
            row["dataset"], evaluations.title(row["metric"]), HEADS[row["head"]],
            look(row["method_a"]).name, look(row["method_b"]).name, row["n"],
            number(row["estimate"], sign=True), interval(row, sign=True), number(row["p"], 2),
        )  # fmt: skip
    return table


def further(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return HiResCAM - Grad-CAM by the metrics that are compared but not published."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "Further metrics: HiResCAM - Grad-CAM over networks",
        ["data set", "metric", "better", "setting", "head"],
        ["n", "HiResCAM", "Grad-CAM", "difference", f"{level} interval", "floor", "dz", "p"],
        (
            "Strict protocol, primary settings, all networks; the two means are over the images of "
            "each map, the difference is over those of both; positive: better for HiResCAM. No p "
            "is adjusted here. Floor: 95 % quantile of the mean difference's change with the "
            "noise replicate. Sources and directions: docs/metrics.md."
        ),
    )
    rows = where(frame, level="model", architecture="all", protocol=STRICT)
    for dataset in settings["datasets"]:
        named = settings["plan"]["metrics_of"][dataset]
        for metric, setting in evaluations.further_settings(named, dataset).items():
            scores = where(rows, dataset=dataset, metric=metric, setting=str(setting))
            pair = where(scores, method_a=PAIR[0], method_b=PAIR[1])
            better = "higher" if evaluations.sign(metric) > 0 else "lower"
            for _, row in pair[pair["effect_name"].isin(DIFFERENCES)].iterrows():
                means = where(scores, effect_name="mean", head=row["head"])
                by_method = dict(zip(means["method_a"], means["estimate"], strict=True))
                table.add(
                    dataset, evaluations.title(metric), better, str(setting) or NONE,
                    HEADS[row["head"]], row["n"],
                    *(number(by_method.get(name, np.nan)) for name in PAIR),
                    *_difference(row, evaluations.sign(metric)),
                )  # fmt: skip
    return table


def haas(frame: pd.DataFrame) -> Table:
    """Return the ratios of HAAS; those of the logit are in statistics.parquet alone."""
    means = where(frame, effect_name="ratio", level="model", architecture="all")
    settings = columns_of(means["setting"]).reindex(columns=["explained_class", "explained_score"])
    means = means.assign(explained=settings["explained_class"])[settings["explained_score"].isna()]
    columns = sorted(set(zip(means["protocol"], means["explained"], strict=True)))
    table = Table(
        "HAAS: accuracy on heatmap-assisted images / clean accuracy",
        ["data set", "head", "map"],
        ["n", *(f"{protocol}, class {explained}" for protocol, explained in columns)],
        (
            "Mean over networks (t interval). A blank map leaves the image as it is: its ratio is "
            "1 by construction. Maps of the true label give the answer away."
        ),
    )
    for dataset in sorted(set(means["dataset"])):
        for head in sorted(set(means["head"])):
            ratios = where(means, dataset=dataset, head=head)
            for method in ordered(ratios["method_a"]):
                rows = where(ratios, method_a=method).set_index(["protocol", "explained"])
                cells = [
                    f"{number(rows.loc[key, 'estimate'])} ({interval(rows.loc[key])})"
                    if key in rows.index
                    else NONE
                    for key in columns
                ]
                table.add(dataset, HEADS[head], look(method).name, rows["n"].max(), *cells)
    return table


def within(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return HiResCAM - Grad-CAM over the images of each network."""
    table = Table(
        "HiResCAM - Grad-CAM within each network",
        ["network", "protocol", "metric", "test"],
        ["images", "difference", "bootstrap interval", "effect", "p", "floor"],
        (
            "The unit is the image: these say something about one network only. Effect: "
            "matched-pairs rank-biserial; for HAAS (only HiResCAM right - only Grad-CAM right) / "
            "(either). Positive: better for HiResCAM."
        ),
        folded=True,
    )
    rows = where(frame, method_a=PAIR[0], method_b=PAIR[1], level="image")
    rows = rows[rows["head"] != "gap"]
    rows = rows[rows["effect_name"].isin(DIFFERENCES)]
    for protocol, metric, setting in shown_settings(evaluations, settings):
        for _, row in where(rows, protocol=protocol, metric=metric, setting=setting).iterrows():
            row = oriented(row, evaluations.sign(metric))
            table.add(
                network(*(row[name] for name in MODEL)), protocol, evaluations.title(metric),
                row["test"], row["n"], number(row["estimate"], sign=True),
                interval(row, sign=True), number(row["effect"], 2, sign=True), number(row["p"], 2),
                number(row["floor"], 2),
            )  # fmt: skip
    return table


def means(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return each map's mean score by network."""
    rows = where(frame, effect_name="mean", level="image")
    settings_shown = shown_settings(evaluations, settings)
    rows = rows[rows["setting"].isin({setting for _, _, setting in settings_shown})]
    methods = [m for m in ordered(rows["method_a"]) if not m.startswith("null_")]
    table = Table(
        "Mean score of each map, network by network",
        ["network", "protocol", "metric"],
        [look(method).name for method in methods],
        "HAAS: accuracy on the assisted images. Settings as in the first table.",
        folded=True,
    )
    for protocol, metric, setting in settings_shown:
        chosen = where(rows, protocol=protocol, metric=metric, setting=setting)
        if chosen.empty:
            continue
        wide = chosen.pivot(index=MODEL, columns="method_a", values="estimate")
        for key, values in zip(wide.index, wide.reindex(columns=methods).to_numpy(), strict=True):
            cells = [number(value) for value in values]
            table.add(network(*key), protocol, evaluations.title(metric), *cells)
    return table
