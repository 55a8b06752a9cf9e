"""How long networks keep their answer while regions are replaced, by imputer: R-OMS."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faithcam.core.setting import Setting
from faithcam.report.table import Table, interval, number
from faithcam.statistics.settings import where


def scope(frame: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return R-OMS of each imputer: mean over networks with its interval.

    Args:
        frame: rows of ``STATISTICS``.
        settings: the config.
    """
    table = Table(
        "How strange removed regions are to the networks: R-OMS",
        ["data set", "head", "imputer"],
        ["n", "R-OMS"],
        (
            "Area under the probability of the predicted class while regions are replaced in a "
            "random order; mean over networks (t interval), 0 to 1. Where it is low the network "
            "loses its answer whatever is removed, and a fall says little about the region; an "
            "imputer that puts back what it should remove has a high one."
        ),
    )
    rows = where(frame, metric="aopc", effect_name="mean", level="model", architecture="all")
    for dataset in settings["datasets"]:
        for imputer in settings["aopc"]["strict"]["imputers"]:
            named = str(Setting.of(imputer=imputer, output="r_oms"))
            for _, row in where(rows, dataset=dataset, setting=named).iterrows():
                cell = f"{number(row['estimate'])} ({interval(row)})"
                table.add(dataset, row["head"], imputer, row["n"], cell)
    return table
