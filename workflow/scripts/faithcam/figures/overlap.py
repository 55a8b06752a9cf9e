"""Where HiResCAM's proof ends: what changes as a cell sees more than its own pixels.

HiResCAM is proven for the cells of A. Each sees its receptive field, from its own pixels alone to
the whole image, and so says less and less of the pixels at its place.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D

from faithcam.figures import style
from faithcam.figures.judged import FAMILIES, estimands, shown, titled
from faithcam.figures.subject import Subject
from faithcam.statistics.agreement import METRIC
from faithcam.statistics.settings import MODEL, PAIR, columns_of, where

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4d4d4d")
MARKERS = "osD^vph*<>X"
FLOOR = "best blind metric"


def draw(statistics: pa.Table, concordance: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw HiResCAM - Grad-CAM per estimand, and C of each primary metric, over receptive fields.

    Args:
        statistics: rows of ``STATISTICS``, those of single networks among them.
        concordance: rows of ``CONCORDANCE``.
        subject: of the figure; its settings have ``concordance`` of the config and ``networks``:
            of each architecture its receptive field in pixels (``field``), 0 where not known.
        path: of the PNG file.
    """
    fields = {name: f["field"] for name, f in subject.settings["networks"].items() if f["field"]}
    order = sorted(fields, key=lambda name: (fields[name], name))
    leads = _leads(subject, statistics, order)
    judged = subject.rows(concordance, head="flatten")
    judged = judged[judged["architecture"].isin(order)]
    known = estimands(judged)
    judged = where(judged, estimand=known[0]) if known else judged
    families = [name for name in FAMILIES if name in set(judged["family"])]
    title = f"What receptive fields change on {subject.dataset}"
    with style.figure(path, 3.9 * (1 + len(families)), 4.4, title) as fig:
        if leads.empty:
            style.nothing(fig, "no agreement with the truth of an included network")
            return
        first, *others = fig.subplots(1, 1 + len(families), squeeze=False)[0]
        names = [
            name for name in subject.settings["truth"]["estimands"] if name in set(leads["of"])
        ]
        _lines(first, subject, leads, order, names)
        first.axhline(0, color="#000000", linewidth=0.8)
        first.set_title("HiResCAM \N{MINUS SIGN} Grad-CAM, agreement")
        first.set_ylabel("difference of Spearman with the truth")
        _legend(fig, [titled(name) for name in names], "outside lower left")
        metrics = [each for each in shown(subject, judged) if each.primary]
        for ax, family in zip(others, families, strict=True):
            part = where(judged, family=family)
            of = [
                each.of(part).assign(of=each.name, value=each.of(part)["concordance"])
                for each in metrics
            ]
            floor = part.drop_duplicates(MODEL).assign(of=FLOOR)
            _lines(ax, subject, pd.concat(of), order, [each.name for each in metrics])
            _lines(ax, subject, floor.assign(value=floor["floor"]), order, [FLOOR], floor=True)
            ax.axhline(0.5, color="#000000", linewidth=0.8, linestyle=(0, (1, 2)))
            ax.set_title(f"C, {FAMILIES[family]} ({titled(known[0])})")
        if others:
            _legend(fig, [each.name for each in metrics], "outside lower right", floor=True)
        for ax in (first, *others):
            ax.set_xticks(range(len(order)), [f"{fields[n]}\n{n}" for n in order])
            for label in ax.get_xticklabels():
                label.set(rotation=35, ha="right", rotation_mode="anchor")
            ax.set_xlabel("receptive field of a cell, px")


def _leads(subject: Subject, statistics: pa.Table, order: Sequence[str]) -> pd.DataFrame:
    """Return HiResCAM - Grad-CAM of each network: ``of`` an estimand, and ``value``."""
    rows = subject.rows(
        statistics, metric=METRIC, head="flatten", level="image", effect_name="rank-biserial",
        method_a=PAIR[0], method_b=PAIR[1],
    )  # fmt: skip
    rows = rows[rows["architecture"].isin(order)]
    if rows.empty:
        return rows.assign(of="", value=np.nan)
    named = columns_of(rows["setting"]).reindex(columns=["estimand", "measure", "half"])
    rows = rows.join(named)
    rows = where(rows[rows["half"].isna()], measure="spearman")
    return rows.assign(of=rows["estimand"], value=rows["estimate"])


def _lines(
    ax: Any,
    subject: Subject,
    rows: pd.DataFrame,
    order: Sequence[str],
    names: Sequence[str],
    *,
    floor: bool = False,
) -> None:
    """Draw the mean over networks of each ``of``, with its interval, at each architecture."""
    rows = rows.dropna(subset="value")
    points = subject.over_units(rows, ["of", "architecture"], ["value"])
    for place, name in enumerate(names):
        of = points[points["of"] == name].set_index("architecture").reindex(list(order))
        x = np.arange(len(order)) + (place - (len(names) - 1) / 2) * 0.09
        colour = "#000000" if floor else COLOURS[place % len(COLOURS)]
        value, low, high = (of[column].to_numpy(np.float64) for column in ("value", "low", "high"))
        ax.plot(
            x, value, color=colour, marker="" if floor else MARKERS[place % len(MARKERS)],
            markersize=5, linestyle=(0, (3, 2)) if floor else "-", linewidth=1.2,
        )  # fmt: skip
        if not floor:
            ax.vlines(x, low, high, color=colour, linewidth=1)


def _legend(fig: Any, names: Sequence[str], place: str, *, floor: bool = False) -> None:
    handles = [
        Line2D(
            [], [], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], markersize=5
        )
        for i in range(len(names))
    ]
    if floor:
        handles.append(Line2D([], [], color="#000000", linestyle=(0, (3, 2))))
        names = [*names, FLOOR]
    fig.legend(handles=handles, labels=list(names), loc=place, ncols=5 if floor else 2)
