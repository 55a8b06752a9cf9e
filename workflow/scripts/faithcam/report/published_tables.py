"""The report's tables of published numbers beside this run's, where there are both."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.figures.style import percent
from faithcam.report import published
from faithcam.report.table import NONE, Table, interval, number, oriented
from faithcam.results.declared import Evaluations
from faithcam.statistics.settings import PAIR, where

NOTE = (
    "Published ({source}): one network each, trained once, its own splits, all test images. Here: "
    "mean over networks, which are seeds, with this run's splits and explained images. So values "
    "may differ without contradiction."
)


def of_run(
    frame: pd.DataFrame, models: pa.Table, evaluations: Evaluations, settings: Mapping[str, Any]
) -> list[Table]:
    """Return the tables of accuracies and of scores; none where nothing matches the study.

    Args:
        frame: rows of ``STATISTICS``.
        models: rows of ``MODELS``.
        evaluations: all that were declared.
        settings: the config.
    """
    tables = [accuracies(models, settings), scores(frame, evaluations, settings)]
    return [table for table in tables if table.rows]


def accuracies(models: pa.Table, settings: Mapping[str, Any]) -> Table:
    """Return the published balanced accuracies beside those of the networks in the summaries."""
    table = Table(
        "Published networks and ours",
        ["data set", "network"],
        ["published", "networks here", "mean", "lowest", "highest"],
        f"Balanced accuracy on the test images. {NOTE.format(source=published.study()['source'])}",
    )
    frame = models.to_pandas()
    frame = frame[frame["included"] & (frame["head"] == published.study()["head"])]
    for dataset, network, value in _matching(settings):
        architecture = network[1]
        of_model = where(frame, dataset=dataset, architecture=architecture)
        accuracy = of_model["balanced_accuracy"]
        if len(accuracy):
            numbers = (accuracy.mean(), accuracy.min(), accuracy.max())
            table.add(dataset, architecture, f"{value:g}", len(accuracy), *map(number, numbers))
    return table


def scores(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return the published scores of both maps beside this run's, in the same settings."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "Published scores and ours",
        ["data set", "network", "score"],
        ["published", "difference", "n", "here", "difference", f"{level} interval"],
        (
            "Grad-CAM / HiResCAM and HiResCAM - Grad-CAM (positive: better for HiResCAM); "
            "published protocol, Flatten heads. n: "
            "networks here, which the t interval is over; of a ratio of accuracies there is none. "
            f"{NOTE.format(source=published.study()['source'])}"
        ),
    )
    study = published.study()
    frame = where(frame, head=study["head"], protocol=study["protocol"], level="model")
    for dataset, network, _ in _matching(settings):
        of_network = where(frame, dataset=dataset, architecture=network[1])
        for value in published.values():
            if (value.data, value.architecture) == network:
                _add(table, of_network, dataset, value, evaluations)
    return table


def _matching(settings: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str], float]]:
    """Yield (data set here, published data and architecture, balanced accuracy)."""
    for dataset in settings["datasets"]:
        definition = settings["dataset_definitions"][dataset]
        for network, accuracy in published.accuracies().items():
            if published.matches(definition, network[0]):
                yield dataset, network, accuracy


def _add(
    table: Table,
    frame: pd.DataFrame,
    dataset: str,
    value: published.Value,
    evaluations: Evaluations,
) -> None:
    title, sign = evaluations.title(value.metric), evaluations.sign(value.metric)
    rows = where(frame, metric=value.metric, setting=value.setting)
    kind = "ratio" if value.metric == "haas" else "mean"
    means = rows[rows["effect_name"] == kind]
    by_method = dict(zip(means["method_a"], means["estimate"], strict=True))
    if not {*PAIR} <= set(by_method):
        return
    b, a = (by_method[name] for name in PAIR)
    pair = where(rows, method_a=PAIR[0], method_b=PAIR[1], effect_name="Cohen dz")
    ends = NONE
    if kind != "ratio" and len(pair):
        ends = interval(oriented(pair.iloc[0], sign), sign=True)
    table.add(
        dataset, value.architecture, _name(value, title),
        f"{value.gradcam:g} / {value.hirescam:g}", _signed(sign * (value.hirescam - value.gradcam)),
        means.loc[means["method_a"] == PAIR[0], "n"].iloc[0], f"{number(a)} / {number(b)}",
        number(sign * (b - a), sign=True), ends,
    )  # fmt: skip


def _signed(value: float) -> str:
    """Return a published difference with the digits that it has."""
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def _name(value: published.Value, name: str) -> str:
    """Return a score's name: metric, and the region or radius."""
    pairs = Setting.parse(value.setting)
    if "region" in pairs:
        return f"{name}, {pairs['region']} px"
    return f"{name}, radius {pairs['radius']}" if "radius" in pairs else f"{name}, ratio"
