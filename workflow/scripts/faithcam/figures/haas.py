"""HAAS of every method beside its nulls: does amplifying by a map help the network?"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT, THESIS
from faithcam.statistics.settings import columns_of, where

PANELS = {  # by protocol and class that is explained
    (STRICT, "predicted"): "strict, predicted class",
    (STRICT, "label"): "strict, true label",
    (THESIS, "label"): "thesis, true label",
}


def draw(statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a row per architecture, a column per setting: ratios with bootstrap intervals."""
    frame = subject.rows(statistics, effect_name="ratio")
    head = style.one_head(frame)
    frame = frame[frame["head"] == head]
    parts = columns_of(frame["setting"]).reindex(columns=["explained_class", "explained_score"])
    # maps of another explained score are in statistics.parquet alone
    frame = frame.assign(explained=parts["explained_class"])[parts["explained_score"].isna()]
    architectures = sorted(set(frame["architecture"]) - {"all"})
    methods = style.ordered(frame["method_a"])
    present = set(zip(frame["protocol"], frame["explained"], strict=True))
    panels = {key: text for key, text in PANELS.items() if key in present}
    title = (
        f"HAAS on {subject.dataset}, {style.HEADS[head]} head: networks with {subject.level} "
        "bootstrap intervals, and mean (bar)"
    )
    height = 1.1 + max(1, len(architectures)) * (0.7 + 0.3 * max(3, len(methods)))
    with style.figure(path, 9, height, title) as fig:
        if frame.empty:
            style.nothing(fig, "no HAAS of an included network")
            return
        grid = style.Panels.of(fig, architectures, [*panels], sharex=True, sharey=True)
        for architecture, (protocol, explained), ax in grid:
            part = where(frame, architecture=architecture, protocol=protocol, explained=explained)
            _panel(ax, part, methods)
            ax.set_title(f"{architecture}: {panels[protocol, explained]}")
            ax.tick_params(axis="y", length=0)
        for architecture, ax in grid.first():
            ax.set_yticks(range(len(methods)), [style.look(name).name for name in methods])
            ax.set_ylim(len(methods) - 0.4, -0.6)
            dots = where(frame, architecture=architecture, level="image")
            networks = dots["seed"].nunique()
            style.note(ax, f"{networks} networks,\n{dots['n'].max()} images each", "lower left")
        grid.label_x("accuracy on assisted images\n/ clean accuracy")


def _panel(ax: Any, rows: pd.DataFrame, methods: list[str]) -> None:
    ax.axvline(1, color="#000000", linewidth=0.8)
    ax.grid(axis="y", visible=False)
    for y, method in enumerate(methods):
        look = style.look(method)
        ratios = rows[rows["method_a"] == method]
        dots = ratios[ratios["level"] == "image"].sort_values("seed")
        if dots.empty:
            continue
        offsets = y + (np.linspace(-0.25, 0.25, len(dots)) if len(dots) > 1 else np.zeros(1))
        error = [dots["estimate"] - dots["low"], dots["high"] - dots["estimate"]]
        ax.errorbar(
            dots["estimate"],
            offsets,
            xerr=error if dots["low"].notna().all() else None,
            fmt=look.marker,
            color=look.colour,
            markersize=3.5,
            elinewidth=0.9,
            alpha=0.8,
        )
        mean = ratios[ratios["level"] == "model"]["estimate"]
        ax.plot(mean, [y], "|", color="#000000", markersize=15, markeredgewidth=1.6)
