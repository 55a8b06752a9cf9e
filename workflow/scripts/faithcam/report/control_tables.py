"""The tables of the report on controls: multiverse, parts of images, localisation."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.figures.network_means import over_units, unit_columns
from faithcam.figures.style import HEADS, look, ordered, percent
from faithcam.report.table import Table, interval, number
from faithcam.results.declared import Evaluations
from faithcam.statistics.parts import PARTS, of_networks
from faithcam.statistics.settings import columns_of, where


def multiverse_table(multiverse: pd.DataFrame, evaluations: Evaluations) -> Table:
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
            dataset, evaluations.title(metric), len(rows), wins, percent(wins / len(rows)),
            counts.get("within floor", 0), counts.get("loss", 0),
        )  # fmt: skip
    return table


def gold_table(part_shapley: pa.Table, models: pa.Table, settings: Mapping[str, Any]) -> Table:
    """Return what each part of the images contributes, over seeds."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "What the parts contribute (Shapley values of parts)",
        ["data set", "part"],
        ["n", "mean size", f"{level} interval", "mean", "strongest in"],
        (
            "Exact contributions to the centred logit of the class that is explained, over all "
            "explained images of networks with a Flatten head; n seeds. Planted parts: Shapley "
            "values over all renderings with and without them. Decoy: fall of the score when it "
            "is drawn again with another texture, mean over decoys. Mean size: of the absolute "
            "value. Strongest in: share of images in which the part, or one of the decoys, has the "
            "largest absolute value of all."
        ),
    )
    rows, columns = of_networks(part_shapley, models), ["size", "mean", "strongest"]
    for dataset in settings["datasets"]:
        unit = unit_columns(nested=settings["data"][dataset]["nested"])
        part = rows[rows["dataset"] == dataset]
        confidence = settings["statistics"]["confidence"]
        means: Any = over_units(part, ["part"], columns, unit, confidence).set_index("part")
        for name in (name for name in PARTS if name in means.index):
            row = means.loc[name]
            table.add(
                dataset, name, f"{row['n']:.0f}", number(row["size"]), interval(row),
                number(row["mean"], sign=True), percent(row["strongest"]),
            )  # fmt: skip
    return table


def localisation_table(statistics: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return how much of each map lies in each mask."""
    table = Table(
        "Localisation",
        ["data set", "mask", "head", "map"],
        ["n", "pointing game", "relevance mass", "relevance rank", "empty masks"],
        (
            "Mean over networks, or over seeds where each has images of its own (t interval): how "
            "often the largest value lies in the mask, the share of the positive values' sum that "
            "does, and of as many of the largest pixels as the mask has. Correctly classified "
            "images with a mask and a map that is not blank; all classes of networks that need no "
            "accuracy. Empty masks: share of explained images, skipped. A map can be faithful and "
            "lie elsewhere, if the network looks there."
        ),
    )
    rows = where(statistics, metric="localisation", level="model", architecture="all")
    rows = rows.join(columns_of(rows["setting"]))
    for dataset in settings["datasets"]:
        for key, part in rows[rows["dataset"] == dataset].groupby(["mask", "head"]):
            mask, head = map(str, key)
            for method in ordered(part["method_a"]):
                scores = part[part["method_a"] == method]
                means = scores[scores["effect_name"] == "mean"].set_index("kind")
                if means.empty:
                    continue
                kinds = [means.loc[kind] for kind in ("pointing", "mass", "rank")]
                empty = scores.loc[scores["effect_name"] == "empty mask share", "estimate"]
                table.add(
                    dataset, mask, HEADS[head], look(method).name, kinds[0]["n"],
                    *(f"{number(row['estimate'])} ({interval(row)})" for row in kinds),
                    percent(empty.max()),
                )  # fmt: skip
    return table
