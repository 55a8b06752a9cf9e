"""Damage ladders: does a metric fall when HiResCAM is damaged by known amounts?"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.network_means import network_means
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import MODEL, where

PANELS = {
    "aopc": "AOPC",
    "rerendered": "AOPC, perfect imputer",
    "max_sensitivity": "Max-Sensitivity",
    "haas": "HAAS",
}
LADDERS = {
    "noise": ("mixed with noise of its spectrum", "#0072B2", "o", "-"),
    "shift": ("shifted", "#009E73", "s", (0, (5, 1.5))),
    "inversion": ("ranks inverted in some cells", "#CC79A7", "^", (0, (1.5, 1.2))),
}


def draw(scores: pa.Table, models: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per metric: its change against the loss of feature-space AOPC, per ladder."""
    rows = network_means(subject.rows(scores), models)
    title = f"Damage ladders on {subject.dataset}: does the score fall with the map's faithfulness?"
    with style.figure(path, 11, 3.7, title) as fig:
        metrics = [name for name in PANELS if name in set(rows.get("metric", ()))]
        if not metrics or "hirescam" not in rows.columns:
            style.nothing(fig, "no damage ladder of an included Flatten network")
            return
        signs = subject.evaluations.signs("damage_ladder")
        changes = _changes(rows, signs)
        panels = style.Panels.of(fig, [""], metrics)
        for _, metric, ax in panels:
            for ladder, (label, colour, marker, line) in LADDERS.items():
                part = where(changes, metric=metric, ladder=ladder)
                points = subject.over_units(part, ["step"], ["change", "damage"])
                points = pd.concat([_START, points]).sort_values("damage")
                x = points["damage"].to_numpy(float)
                band = points["low"].to_numpy(float), points["high"].to_numpy(float)
                ax.fill_between(x, *band, color=colour, alpha=0.14, linewidth=0)
                ax.plot(
                    x, points["change"], color=colour, marker=marker, linestyle=line,
                    markersize=4.5, label=label,
                )  # fmt: skip
            ax.axhline(0, color="#000000", linewidth=0.8)
            ax.set_title(PANELS[metric])
            ax.locator_params(nbins=5)
        panels.label_x("damage: loss of\nfeature-space AOPC")
        axes = panels.axes[0]
        axes[0].set_ylabel("change of the score\n(down: worse)")
        style.note(axes[0], f"{len(rows[MODEL].drop_duplicates())} networks", "lower left")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower left", ncols=3)


_START = pd.DataFrame({"change": [0.0], "damage": [0.0], "low": [0.0], "high": [0.0]})


def _changes(rows: pd.DataFrame, signs: Mapping[str, int]) -> pd.DataFrame:
    """Return the oriented change of each metric beside the damage, per network, ladder and step.

    Draws are averaged: each metric's change is against the undamaged map of the same network.
    """
    rows = rows.assign(score=rows["hirescam"] * rows["setting"].map(signs))
    start = rows[rows["step"] == "0"].groupby([*MODEL, "metric"])["score"].mean().rename("start")
    steps = rows[rows["step"] != "0"].groupby([*MODEL, "ladder", "step", "metric"])["score"].mean()
    change = (steps - start).rename("change").reset_index()
    damage = change[change["metric"] == "feature_aopc"].drop(columns="metric")
    damage = damage.assign(damage=-damage["change"]).drop(columns="change")
    return change.merge(damage, on=[*MODEL, "ladder", "step"])
