"""Which metrics find the truth: C of every metric, the floor of blind ones, the verdict."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faithcam.figures import style
from faithcam.figures.judged import (
    CHANCE,
    FAMILIES,
    Shown,
    blocks,
    mean_of,
    networks,
    shown,
)
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import MODEL, where
from faithcam.truth.estimands import ESTIMANDS
from faithcam.validity.verdict import BLIND, USABLE

COLUMNS = 3
COLOURS = {USABLE: "#0072B2", BLIND: "#D55E00"}  # of words; of all others: black
OWN, FLOOR = "#a0a0a0", "#e4e4e4"


def draw(concordance: pa.Table, validity: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per estimand and family of candidates, a line per metric."""
    rows, words = subject.rows(concordance), subject.rows(validity)
    metrics, of = shown(subject, rows), blocks(rows)
    columns = 2 if len(of) == 4 else min(COLUMNS, max(1, len(of)))
    lines = -(-len(of) // columns)
    title = f"Which metrics find the truth on {subject.dataset}? ({networks(rows)})"
    height = 1.2 + max(1, lines) * (0.75 + 0.21 * max(4, len(metrics)))
    with style.figure(path, 1.7 + 3.2 * max(2, columns), height, title) as fig:
        if not metrics:
            style.nothing(fig, "no concordance of an included network")
            return
        axes = fig.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        values = np.concatenate([each.of(rows)["concordance"] for each in metrics])
        if len(rows[MODEL].drop_duplicates()) == 1:  # intervals over images are wide
            values = np.concatenate([values, *(each.of(rows)["low"] for each in metrics)])
        low = min(0.4, float(np.nanmin(values))) - 0.03
        last = {estimand: family for family, estimand in of}
        for ax, (family, estimand) in zip(axes.flat, of, strict=False):
            part = where(rows, family=family, estimand=estimand)
            said = where(words, estimand=estimand)
            _panel(ax, part, said, metrics, subject, words=last[estimand] == family)
            ax.set_title(f"{ESTIMANDS[estimand].title}: {FAMILIES[family]}")
            ax.set_xlim(low, 1 + 0.42 * (1 - low))
            step = 2 if low < 0.3 else 1  # tenths
            ax.set_xticks([x / 10 for x in range(10, int(np.ceil(10 * low)) - 1, -step)])
            ax.set_ylim(len(metrics) - 0.4, -0.6)
        for ax in axes[:, 0]:
            ax.set_yticks(range(len(metrics)), [each.name for each in metrics])
            for label, each in zip(ax.get_yticklabels(), metrics, strict=True):
                label.set_fontweight("bold" if each.primary else "normal")
        for ax in list(axes.flat)[len(of) :]:
            ax.set_visible(False)
        for ax in list(axes.flat)[max(0, len(of) - columns) : len(of)]:
            ax.tick_params(labelbottom=True)
        axes[-1, 0].set_xlabel("C: share of pairs in which\nthe nearer map is preferred")
        fig.legend(
            handles=[
                Line2D([], [], color=style.GREY, marker="o", ls="", alpha=0.45, markersize=4),
                Line2D([], [], color="#000000", marker="D", markersize=5),
                Line2D([], [], color=OWN, marker="D", markersize=5, markerfacecolor="white"),
                Patch(color=FLOOR),
                Line2D([], [], color=COLOURS[USABLE], marker="*", ls="", markersize=8),
            ],
            labels=[
                "a network",
                f"mean, {subject.level} interval",
                "own reference: no evidence",
                "reached by blind metrics",
                "recommended",
            ],
            loc="outside lower left",
            ncols=5 if columns > 2 else 3,  # as wide as the figure
        )


def _panel(
    ax: Any,
    rows: pd.DataFrame,
    said: pd.DataFrame,
    metrics: list[Shown],
    subject: Subject,
    *,
    words: bool,
) -> None:
    per_network = rows.drop_duplicates(MODEL)
    floor = mean_of(subject, per_network, "floor")["value"]
    if np.isfinite(floor):
        ax.axvspan(-1, floor, color=FLOOR, zorder=0)
        ax.axvline(floor, color=style.GREY, linewidth=0.8, zorder=0.5)
    ax.axvline(CHANCE, color="#000000", linewidth=0.8, linestyle=(0, (1, 2)))
    ax.grid(visible=False)
    ax.tick_params(axis="y", length=0)
    for y, each in enumerate(metrics):
        part = each.of(rows).sort_values(MODEL)
        verdict = each.of(said)["word"].tolist()
        colour = COLOURS.get(verdict[0], "#000000") if verdict else "#000000"
        own = bool(part["own_reference"].any())
        if len(part):
            colour = OWN if own else colour
            dots = part["concordance"].to_numpy()
            offset = 0.1 * (np.arange(len(dots)) % 3 - 1)
            ax.plot(
                dots, y + offset, "o", color=style.GREY, markersize=3, alpha=0.45,
                markeredgewidth=0,
            )  # fmt: skip
            mean = mean_of(subject, part, "concordance")
            if np.isfinite(mean["low"]):
                ax.plot([mean["low"], mean["high"]], [y, y], color=colour, linewidth=1.6)
            face = "white" if own else colour
            ax.plot(mean["value"], y, "D", color=colour, markerfacecolor=face, markersize=5)
        if words and verdict:
            best = " \N{BLACK STAR}" if each.of(said)["recommended"].any() and not own else ""
            ax.text(1.02, y, verdict[0] + best, va="center", fontsize=7, color=colour)
