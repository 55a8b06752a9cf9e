"""The tables of the report, as texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures.style import HEADS, look, ordered, percent
from faithcam.report.answer import Claim, Counts, network, planned_networks
from faithcam.results.declared import STRICT, Evaluations
from faithcam.statistics.settings import DIFFERENCES, MAPS, MODEL, PAIR, columns_of

NONE = "\N{EN DASH}"


@dataclass
class Table:
    """A table of texts: columns of words, then columns of numbers."""

    title: str
    words: list[str]
    numbers: list[str]
    note: str = ""
    folded: bool = False
    rows: list[list[str]] = field(default_factory=list)
    strong: set[int] = field(default_factory=set)

    def add(self, *cells: object, strong: bool = False) -> None:
        """Append a row; ``strong`` rows are printed bold."""
        if strong:
            self.strong.add(len(self.rows))
        self.rows.append([str(cell) for cell in cells])


def number(value: float, digits: int = 3, sign: bool = False) -> str:
    """Return a number in significant digits."""
    if value is None or np.isnan(value):
        return NONE
    text = f"{value:+#.{digits}g}" if sign and value else f"{value:#.{digits}g}"
    return text.rstrip(".").replace("-", "\N{MINUS SIGN}")


def interval(row: "pd.Series[Any]", sign: bool = False) -> str:
    """Return the interval of a row."""
    if np.isnan(row["low"]):
        return NONE
    return f"{number(row['low'], sign=sign)} to {number(row['high'], sign=sign)}"


def _shown(
    evaluations: Evaluations, settings: Mapping[str, Any], dataset: str | None = None
) -> list[tuple[str, str, str]]:
    """Return (protocol, metric, setting) of the settings that the tables show."""
    chosen = evaluations.shown_by_protocol(settings["plan"]["metrics"], dataset)
    return [
        (protocol, metric, str(setting))
        for protocol, shown in chosen.items()
        for metric, setting in shown.items()
    ]


def _of(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    return frame


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
            "primary comparisons. AOPC and HAAS: higher is better, Max-Sensitivity: lower is "
            "better. dz: mean / standard deviation over networks. Floor: how far the mean "
            "difference moves when only the noise stream changes, 95 % quantile. GAP: both maps "
            "are the same, so every score must be, bit for bit; there is nothing to test."
        ),
    )
    pair = _of(frame, method_a=PAIR[0], method_b=PAIR[1], level="model")
    pair = pair[pair["effect_name"].isin(DIFFERENCES)]
    for dataset in settings["datasets"]:
        for protocol, metric, setting in _shown(evaluations, settings, dataset):
            rows = _of(pair, dataset=dataset, protocol=protocol, metric=metric, setting=setting)
            for _, row in rows.sort_values(["head", "architecture"]).iterrows():
                twin = row["effect_name"] == "images that differ"
                if twin and row["architecture"] != "all":
                    continue
                same = "exactly 0" if not row["effect"] else f"{row['effect']:.0f} scores differ!"
                table.add(
                    dataset,
                    protocol,
                    evaluations.title(metric),
                    row["architecture"],
                    HEADS[row["head"]],
                    row["n"],
                    same if twin else number(row["estimate"], sign=True),
                    interval(row, sign=True),
                    number(row["floor"], 2),
                    NONE if twin else number(row["effect"], 2),
                    number(row["p"], 2),
                    number(row["p_holm"], 2),
                    strong=bool(row["primary"]),
                )
    return table


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
        table.add(claim.text, claim.unit, *cells(claim.published), *cells(claim.ours))
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
            "Strict protocol, primary settings, all networks. A metric that does not prefer a "
            "network's maps to random ones, or to HiResCAM with its cells shuffled, measures "
            "something else. With GAP all maps of the network are the same. No p is adjusted here."
        ),
    )
    rows = _of(frame, protocol=STRICT, architecture="all", effect_name="Cohen dz")
    rows = rows[(rows["method_a"] != PAIR[0]) | (rows["method_b"] != PAIR[1])]
    shown = {metric: setting for p, metric, setting in _shown(evaluations, settings) if p == STRICT}
    rows = rows[rows["setting"] == rows["metric"].map(shown)]
    rows = rows[(rows["head"] == "flatten") | (rows["method_a"] == PAIR[0])]
    order = ["dataset", "metric", "head", "method_a", "method_b"]
    for _, row in rows.sort_values(order).iterrows():
        table.add(
            row["dataset"],
            evaluations.title(row["metric"]),
            HEADS[row["head"]],
            look(row["method_a"]).name,
            look(row["method_b"]).name,
            row["n"],
            number(row["estimate"], sign=True),
            interval(row, sign=True),
            number(row["p"], 2),
        )
    return table


def further(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return HiResCAM - Grad-CAM by the metrics that are compared but not judged."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "Further metrics: HiResCAM - Grad-CAM over networks",
        ["data set", "metric", "better", "setting", "head"],
        ["n", "HiResCAM", "Grad-CAM", "difference", f"{level} interval", "floor", "dz", "p"],
        (
            "Strict protocol, primary settings, all networks; the two means are over the images of "
            "each map, the difference is over those of both. Controls of these metrics' validity "
            "are not run, and no p is adjusted here. Floor: 95 % quantile of the mean difference's "
            "change with the noise stream. Sources and directions: docs/metrics.md."
        ),
    )
    rows = _of(frame, level="model", architecture="all", protocol=STRICT)
    for dataset in settings["datasets"]:
        named = settings["plan"]["metrics_of"][dataset]
        for metric, setting in evaluations.further(named, dataset).items():
            ours = _of(rows, dataset=dataset, metric=metric, setting=str(setting))
            pair = _of(ours, method_a=PAIR[0], method_b=PAIR[1])
            better = "higher" if evaluations.sign(metric) > 0 else "lower"
            for _, row in pair[pair["effect_name"].isin(DIFFERENCES)].iterrows():
                twin = row["effect_name"] == "images that differ"
                means = _of(ours, effect_name="mean", head=row["head"])
                scores = dict(zip(means["method_a"], means["estimate"], strict=True))
                same = "exactly 0" if not row["effect"] else f"{row['effect']:.0f} scores differ!"
                table.add(
                    dataset,
                    evaluations.title(metric),
                    better,
                    str(setting) or NONE,
                    HEADS[row["head"]],
                    row["n"],
                    *(number(scores.get(name, np.nan)) for name in PAIR),
                    same if twin else number(row["estimate"], sign=True),
                    interval(row, sign=True),
                    number(row["floor"], 2),
                    NONE if twin else number(row["effect"], 2),
                    number(row["p"], 2),
                )
    return table


def haas(frame: pd.DataFrame) -> Table:
    """Return the ratios of HAAS; those of the logit gauge are in statistics.parquet alone."""
    means = _of(frame, effect_name="ratio", level="model", architecture="all")
    facts = columns_of(means["setting"]).reindex(columns=["class", "gauge"])
    means = means.assign(explained=facts["class"])[facts["gauge"].isna()]
    shown = sorted(set(zip(means["protocol"], means["explained"], strict=True)))
    table = Table(
        "HAAS: accuracy on heatmap-assisted images / clean accuracy",
        ["data set", "head", "map"],
        ["n", *(f"{protocol}, class {explained}" for protocol, explained in shown)],
        (
            "Mean over networks (t interval). A blank map leaves the image as it is: its ratio is "
            "1 by construction. Maps of the true label give the answer away."
        ),
    )
    for dataset in sorted(set(means["dataset"])):
        for head in sorted(set(means["head"])):
            ours = _of(means, dataset=dataset, head=head)
            for method in ordered(ours["method_a"]):
                rows = _of(ours, method_a=method).set_index(["protocol", "explained"])
                cells = [
                    f"{number(rows.loc[key, 'estimate'])} ({interval(rows.loc[key])})"
                    if key in rows.index
                    else NONE
                    for key in shown
                ]
                table.add(dataset, HEADS[head], look(method).name, rows["n"].max(), *cells)
    return table


def networks(models: pa.Table, settings: Mapping[str, Any]) -> Table:
    """Return every planned network: accuracy, and whether it is in the summaries."""
    table = Table(
        "Networks",
        ["network", "in the summaries"],
        [
            "train",
            "val",
            "test",
            "accuracy",
            "balanced accuracy",
            "95 % interval",
            "AUC",
            "ECE",
            "spatial share",
        ],
        (
            "On the test split. A network whose balanced accuracy is not above chance (lower end "
            "of its interval) is kept out of all summaries. ECE: expected calibration error. "
            "Spatial share: of the energy of the linear layer's weights, what is lost when they "
            "are averaged over the cells; 0 with GAP."
        ),
    )
    rows = {network(*(row[name] for name in MODEL)): row for row in models.to_pylist()}
    for name in [*planned_networks(settings), *sorted(set(rows) - set(planned_networks(settings)))]:
        row = rows.get(name)
        if row is None:
            table.add(name, "MISSING", *[NONE] * 9)
            continue
        low, high = row["balanced_accuracy_low"], row["balanced_accuracy_high"]
        table.add(
            name,
            "yes" if row["included"] else f"no: {row['reason']}",
            row["train_images"],
            row["val_images"],
            row["test_images"],
            number(row["accuracy"]),
            number(row["balanced_accuracy"]),
            f"{number(low)} to {number(high)}",
            number(row["auc"]),
            number(row["calibration_error"], 2),
            number(row["spatial_share"], 2),
        )
    return table


def checks(checks: pa.Table) -> Table:
    """Return the axiom checks by law."""
    table = Table(
        "Axiom checks",
        ["law", "tolerance", "passed"],
        ["networks", "maps checked", "worst error / tolerance"],
        (
            "The algebra of the maps, in float32, on every explained image of every network; the "
            "law of ABPC on the first micro-batch, as far as its maps have no tied cells."
        ),
    )
    frame = checks.to_pandas()
    for (law, tolerance), rows in frame.groupby(["check", "tolerance"]):
        failed = rows[~rows["passed"]]
        names = ", ".join(network(*row) for row in failed[MODEL].to_numpy())
        table.add(
            law,
            tolerance,
            f"NO: {names}" if names else "yes",
            len(rows),
            rows["images"].sum(),
            number(rows["worst"].max(), 2),
        )
    return table


def blanks(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return the shares of blank and undefined maps."""
    judged = evaluations.judged(settings["plan"]["metrics"])
    shares = frame[frame["method_a"].isin(MAPS) & frame["metric"].isin(judged)]
    blank, undefined = (_of(shares, effect_name=f"{kind} share") for kind in ("blank", "undefined"))
    metrics = [name for name in judged if name in set(blank["metric"])]
    table = Table(
        "Blank and undefined maps",
        ["data set", "protocol", "head", "map"],
        [*(evaluations.title(name) for name in metrics), "worst network", "undefined"],
        (
            "Shares of blank maps among the explained images, mean over networks, largest over the "
            "protocol's settings. Blank: zero everywhere (thesis: after ReLU). thesis keeps blank "
            "maps in its means, strict drops the image for both maps of a pair. Undefined: no "
            "score exists."
        ),
    )
    keys = ["dataset", "protocol", "head", "method_a"]
    means = _of(blank, level="model", architecture="all").groupby([*keys, "metric"])["estimate"]
    worst = _of(blank, level="image").groupby(keys)["estimate"].max()
    none = _of(undefined, level="model", architecture="all").groupby(keys)["estimate"].max()
    wide = means.max().unstack().reindex(columns=metrics)
    for key, values in zip(wide.index, wide.to_numpy(), strict=True):
        dataset, protocol, head, method = key
        cells = [NONE if np.isnan(value) else percent(value) for value in values]
        cells += [percent(worst[key]), percent(none[key])]
        table.add(dataset, protocol, HEADS[head], look(method).name, *cells)
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
            "(either)."
        ),
        folded=True,
    )
    rows = _of(frame, method_a=PAIR[0], method_b=PAIR[1], level="image", head="flatten")
    rows = rows[rows["effect_name"].isin(DIFFERENCES)]
    for protocol, metric, setting in _shown(evaluations, settings):
        for _, row in _of(rows, protocol=protocol, metric=metric, setting=setting).iterrows():
            table.add(
                network(*(row[name] for name in MODEL)),
                protocol,
                evaluations.title(metric),
                row["test"],
                row["n"],
                number(row["estimate"], sign=True),
                interval(row, sign=True),
                number(row["effect"], 2, sign=True),
                number(row["p"], 2),
                number(row["floor"], 2),
            )
    return table


def means(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return each map's mean score by network."""
    rows = _of(frame, effect_name="mean", level="image")
    settings_shown = _shown(evaluations, settings)
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
        chosen = _of(rows, protocol=protocol, metric=metric, setting=setting)
        if chosen.empty:
            continue
        wide = chosen.pivot(index=MODEL, columns="method_a", values="estimate")
        for key, values in zip(wide.index, wide.reindex(columns=methods).to_numpy(), strict=True):
            cells = [number(value) for value in values]
            table.add(network(*key), protocol, evaluations.title(metric), *cells)
    return table


def data(manifests: Mapping[str, Any]) -> Table:
    """Return splits and classes of each data set."""
    table = Table(
        "Data",
        ["data set", "source", "classes", "split"],
        ["size", "images", "per class"],
    )
    for name, manifest in manifests.items():
        for split, counts in manifest["splits"].items():
            channels = {1: "grey", 3: "colour"}.get(manifest["channels"], manifest["channels"])
            table.add(
                name,
                manifest["source"],
                ", ".join(manifest["classes"]),
                split,
                f"{manifest['size']} px, {channels}",
                counts["images"],
                " / ".join(map(str, counts["per_class"])),
            )
    return table
