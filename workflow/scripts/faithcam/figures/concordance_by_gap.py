"""Does a metric see small differences: C by how far two candidates' nearness differs."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D

from faithcam.core.setting import Setting
from faithcam.figures import style
from faithcam.figures.judged import CHANCE, FAMILIES, estimands, networks, shown, titled
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import MODEL, where
from faithcam.validity.concordance import BINS
from faithcam.validity.measured import BLIND
from faithcam.validity.tables import gap_columns

COLUMNS = 5
LOOKS = {"damaged": ("#0072B2", "o", -0.1), "methods": ("#D55E00", "s", 0.1)}


def draw(concordance: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per metric, a line per family, and the same of the best blind metrics."""
    rows = subject.rows(concordance)
    known = estimands(rows)
    rows = where(rows, estimand=known[0]) if known else rows
    metrics = shown(subject, rows)
    lines = -(-len(metrics) // COLUMNS)
    of = f" (truth: {titled(known[0])}, {networks(rows)})" if known else ""
    title = f"C by how far two candidates differ on {subject.dataset}{of}"
    with style.figure(path, 10.5, 1.4 + 2.0 * max(1, lines), title) as fig:
        if not metrics:
            style.nothing(fig, "no concordance of an included network")
            return
        axes = fig.subplots(lines, COLUMNS, squeeze=False, sharex=True, sharey=True)
        for ax, each in zip(axes.flat, metrics, strict=False):
            for family in FAMILIES:
                part = where(rows, family=family)
                _line(ax, best_blind(part), subject, family, blind=True)
                _line(ax, each.of(part), subject, family, blind=False)
            ax.axhline(CHANCE, color="#000000", linewidth=0.8, linestyle=(0, (1, 2)))
            ax.set_title(each.name, fontweight="bold" if each.primary else "normal")
        axes[0, 0].set_ylim(min(0.4, axes[0, 0].get_ylim()[0]), 1.02)
        names = [f"{low:g}\N{EN DASH}{high:g}".replace("0.", ".") for low, high in pairwise(BINS)]
        axes[0, 0].set_xticks(range(len(names)), names)
        for ax in list(axes.flat)[len(metrics) :]:
            ax.set_visible(False)
        for ax in list(axes.flat)[max(0, len(metrics) - COLUMNS) : len(metrics)]:
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("difference of q")
            for label in ax.get_xticklabels():
                label.set(rotation=40, ha="right", rotation_mode="anchor")
        for ax in axes[:, 0]:
            ax.set_ylabel("C")
        handles, labels = [], []
        for family, (colour, marker, _) in LOOKS.items():
            handles += [
                Line2D([], [], color=colour, marker=marker, markersize=4.5),
                Line2D([], [], color=colour, linestyle=(0, (2, 1.5)), linewidth=1),
            ]
            labels += [f"{FAMILIES[family]}: the metric", f"{FAMILIES[family]}: best blind metric"]
        fig.legend(handles=handles, labels=labels, loc="outside lower left", ncols=4)


def best_blind(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each network's best blind metric, of one family and estimand."""
    blind = where(rows, metric=BLIND)
    kinds = [dict(Setting.parse(text))["kind"] for text in blind["setting"]]
    return blind[pd.Series(kinds, blind.index, dtype=object) == blind["floor_metric"]]


def _line(ax: Any, rows: pd.DataFrame, subject: Subject, family: str, *, blind: bool) -> None:
    names = gap_columns()
    long = rows[[*MODEL, *names]].melt(MODEL, names, "bin", "c")
    points = subject.over_units(long.dropna(subset="c"), ["bin"], ["c"]).set_index("bin")
    points = points.reindex(names)
    colour, marker, offset = LOOKS[family]
    x = np.arange(len(names)) + offset
    c, low, high = (points[name].to_numpy(np.float64) for name in ("c", "low", "high"))
    if blind:
        ax.plot(x, c, color=colour, linestyle=(0, (2, 1.5)), linewidth=1, alpha=0.8)
        return
    ax.vlines(x, low, high, color=colour, linewidth=1.2)
    ax.plot(x, c, color=colour, marker=marker, markersize=4.5)
