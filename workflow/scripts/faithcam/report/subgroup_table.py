"""HiResCAM - Grad-CAM within groups of images: by class, and by columns of the user's CSV."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faithcam.core.setting import Setting
from faithcam.figures.style import HEADS, percent
from faithcam.report.estimand_names import estimand_name
from faithcam.report.table import Table, interval, number
from faithcam.results.declared import Evaluations
from faithcam.statistics.subgroups import CLASS


def by_group(
    frame: pd.DataFrame,
    classes: Mapping[str, list[str]],
    evaluations: Evaluations,
    settings: Mapping[str, Any],
) -> Table:
    """Return a row per data set, metric, column and group; heads whose maps are one are left out.

    Args:
        frame: rows of ``SUBGROUPS``.
        classes: names of each data set's classes.
        evaluations: all that were declared.
        settings: the config.
    """
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "HiResCAM - Grad-CAM by groups of images",
        ["data set", "metric", "head", "by", "group"],
        ["networks", "images", "difference", f"{level} interval"],
        (
            "Strict protocol, primary settings; mean over networks of the mean over a group's "
            "images; agreement with the truth: over networks whose cells overlap. Positive is "
            "better for HiResCAM. A description: groups are small and many, "
            "so that some intervals leave out 0 by chance, and nothing is corrected for that."
        ),
        folded=True,
    )
    order = ["dataset", "metric", "setting", "head", "column", "place", "group"]
    index = frame["group"].where(frame["column"] == CLASS, "0").astype(int)
    frame = frame.assign(place=index)
    for _, row in frame[frame["head"] != "gap"].sort_values(order).iterrows():
        group = row["group"]
        if row["column"] == CLASS:
            group = classes[row["dataset"]][int(group)]
        estimand = Setting.parse(row["setting"]).get("estimand")
        truth = f", {estimand_name(str(estimand))}" if estimand else ""
        table.add(
            row["dataset"], f"{evaluations.title(row['metric'])}{truth}", HEADS[row["head"]],
            row["column"], group, row["n"], row["images"],
            number(row["estimate"], sign=True), interval(row, sign=True),
        )  # fmt: skip
    return table
