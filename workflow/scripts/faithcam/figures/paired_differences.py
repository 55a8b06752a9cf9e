"""HiResCAM - Grad-CAM on each metric: every network, their mean, the interval, the noise floor."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT, THESIS
from faithcam.statistics.settings import DIFFERENCES, PAIR, where

_UNITS = {
    ("aopc", STRICT): "AOPC",
    ("aopc", THESIS): "AOPC",
    ("max_sensitivity", STRICT): "relative sensitivity",
    ("max_sensitivity", THESIS): "absolute sensitivity",
    ("haas", STRICT): "assisted accuracy",
    ("haas", THESIS): "assisted accuracy",
}


def draw(statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per protocol and metric with a line per head and architecture."""
    frame = subject.rows(statistics, method_a=PAIR[0], method_b=PAIR[1])
    frame = frame[frame["effect_name"].isin(DIFFERENCES)]
    chosen = subject.published_by_protocol()
    metrics = list(dict.fromkeys(name for settings in chosen.values() for name in settings))
    lines = [
        (head, architecture)
        for head in sorted(set(frame["head"]))
        for architecture in _order(frame[frame["head"] == head]["architecture"])
    ]
    title = f"HiResCAM - Grad-CAM on {subject.dataset}: paired differences of every network"
    height = 1.4 + len(chosen) * (0.95 + 0.3 * max(2, len(lines)))
    with style.figure(path, 9, height, title) as fig:
        if frame.empty:
            style.nothing(fig, "no network with both maps")
            return
        panels = style.Panels.of(fig, [*chosen], metrics, sharey=True)
        for protocol, metric, ax in panels:
            setting = str(chosen[protocol].get(metric))
            part = where(frame, protocol=protocol, metric=metric, setting=setting)
            _panel(ax, part, lines, subject.evaluations.sign(metric))
            ax.set_title(f"{subject.title(metric)}, {protocol}", pad=16)
            ax.set_xlabel(f"difference in {_UNITS.get((metric, protocol), metric)}")
            ax.tick_params(axis="y", length=0)
        for _, ax in panels.first():
            ax.set_yticks(range(len(lines)), [_label(frame, *line) for line in lines])
            ax.set_ylim(len(lines) - 0.4, -0.6)
        fig.legend(
            handles=[
                Line2D([], [], color=style.look(PAIR[0]).colour, marker="o", ls="", alpha=0.55),
                Line2D([], [], color="#000000", marker="D", markersize=4.5),
                Patch(color="#d9d9d9"),
            ],
            labels=["a network", f"mean, {subject.level} t interval", "noise floor of the mean"],
            loc="outside lower left",
            ncols=3,
        )


def _label(frame: pd.DataFrame, head: str, architecture: str) -> str:
    rows = where(frame, head=head, architecture=architecture)
    n = rows.loc[rows["level"] == "model", "n"].max()
    return f"{architecture}, {style.HEADS[head]} (n = {n})"


def _order(architectures: "pd.Series[str]") -> list[str]:
    return [*sorted(set(architectures) - {"all"}), "all"]


def _panel(ax: Any, rows: pd.DataFrame, lines: list[tuple[str, str]], sign: int) -> None:
    ax.axvline(0, color="#000000", linewidth=0.8)
    ax.grid(axis="y", visible=False)
    for y, (head, architecture) in enumerate(lines):
        of_head = rows[rows["head"] == head]
        dots = of_head[of_head["level"] == "image"]
        if architecture != "all":
            dots = dots[dots["architecture"] == architecture]
        mean = where(of_head, level="model", architecture=architecture)
        if mean.empty:
            continue
        row = mean.iloc[0]
        if row["floor"] > 0:
            ax.barh(y, 2 * row["floor"], 0.7, left=-row["floor"], color="#d9d9d9", zorder=0.5)
        spread = 0.07 * (np.arange(len(dots)) % 3 - 1) - 0.2
        exact = row["effect_name"] == "images that differ"
        colour = style.GREY if exact else style.look(PAIR[0]).colour
        ax.plot(
            dots["estimate"],
            y + spread,
            "o",
            color=colour,
            markersize=3.5 if architecture == "all" else 4.5,
            alpha=0.55,
            markeredgewidth=0,
        )
        if np.isfinite(row["low"]):
            ax.plot([row["low"], row["high"]], [y + 0.1, y + 0.1], color="#000000", linewidth=1.4)
        ax.plot(row["estimate"], y + 0.1, "D", color="#000000", markersize=4.5)
        if exact:
            differ = int(row["effect"])
            text = "exactly 0" if not differ else f"{differ} scores differ!"
            ax.annotate(
                text,
                (0, y),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=colour,
            )
    style.centre(ax)
    words = ("Grad-CAM better", "HiResCAM better")[::sign]
    for x, word, side in ((0, words[0], "left"), (1, words[1], "right")):
        arrow = f"\N{LEFTWARDS ARROW} {word}" if side == "left" else f"{word} \N{RIGHTWARDS ARROW}"
        ax.text(
            x,
            1.02,
            arrow,
            transform=ax.transAxes,
            ha=side,
            va="bottom",
            fontsize=7.5,
            color=style.GREY,
        )
