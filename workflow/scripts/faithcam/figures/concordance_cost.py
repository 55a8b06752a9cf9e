"""What a metric costs, and how far beyond blind metrics it gets."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D

from faithcam.figures import style
from faithcam.figures.judged import FAMILIES, Shown, estimands, mean_of, networks, shown, titled
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT
from faithcam.statistics.settings import where

PRIMARY, OTHER, OWN = "#0072B2", "#000000", "#a0a0a0"


def draw(concordance: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per family: C - floor of each metric over the passes of a map."""
    rows = subject.rows(concordance)
    known = estimands(rows)
    rows = where(rows, estimand=known[0]) if known else rows
    metrics = shown(subject, rows)
    families = [name for name in FAMILIES if name in set(rows["family"])]
    of = f" (truth: {titled(known[0])}, {networks(rows)})" if known else ""
    title = f"What a metric costs, and what it finds beyond blind ones on {subject.dataset}{of}"
    with style.figure(path, 9.5, 0.9 + 3.3 * max(1, len(families)), title) as fig:
        if not metrics:
            style.nothing(fig, "no concordance of an included network")
            return
        panels = style.Panels.of(fig, families, [""], sharex=True)
        costs = [passes(subject, each, each.of(rows)) for each in metrics]
        panels.label_x("forward passes per image and map (shared passes divided among the maps)")
        fig.legend(
            handles=[
                Line2D([], [], color=PRIMARY, marker="D", markersize=5),
                Line2D([], [], color=OTHER, marker="o", markersize=5),
                Line2D([], [], color=OWN, marker="D", markersize=5, markerfacecolor="white"),
            ],
            labels=[
                f"primary, {subject.level} interval",
                "described alone",
                "own reference: no evidence",
            ],
            loc="outside lower left",
            ncols=3,
        )
        labels = {}
        for family, _, ax in panels:
            part = where(rows, family=family)
            points = [
                point
                for each, cost in zip(metrics, costs, strict=True)
                if (point := _point(ax, each.of(part), subject, each, cost)) is not None
            ]
            ax.axhline(0, color="#000000", linewidth=1)
            ax.text(
                0.005, 0, "above: better than blind", ha="left", va="bottom", fontsize=7.5,
                color=style.GREY, transform=ax.get_yaxis_transform(),
            )  # fmt: skip
            reach = [0.0, *(end for point in points for end in point[1])]
            pad = 0.05 + 0.05 * (max(reach) - min(reach))
            ax.set_ylim(min(reach) - pad, max(reach) + pad)
            style.scale_passes(ax)
            ax.set_xlim(-0.25, 8 * max(10, *costs))
            ax.set_title(FAMILIES[family])
            ax.set_ylabel("C \N{MINUS SIGN} floor of blind metrics")
            labels[family] = points
        for family, _, ax in panels:
            if labels[family]:
                costs_of, _, values, names = zip(*labels[family], strict=True)
                style.label_points(ax, costs_of, values, names)


def passes(subject: Subject, each: Shown, rows: pd.DataFrame) -> float:
    """Return an evaluation's passes per image, divided by its maps: mean over networks' kinds."""
    kinds = set(rows[["architecture", "head"]].itertuples(index=False, name=None))
    costs = [
        e.passes / len(e.methods)
        for e in subject.evaluations
        if (e.dataset, e.protocol, e.metric) == (subject.dataset, STRICT, each.metric)
        and str(e.setting) == each.setting
        and (e.architecture, e.head) in kinds
    ]
    return float(np.mean(costs))


def _point(
    ax: Any, rows: pd.DataFrame, subject: Subject, each: Shown, cost: float
) -> tuple[float, list[float], float, str] | None:
    """Mark a metric; return its cost, what must be visible, its C - floor and its name."""
    rows = rows.assign(above=rows["concordance"] - rows["floor"]).dropna(subset="above")
    if rows.empty:
        return None
    mean, own = mean_of(subject, rows, "above"), bool(rows["own_reference"].any())
    colour = OWN if own else PRIMARY if each.primary else OTHER
    ends = [mean[name] for name in ("low", "value", "high") if np.isfinite(mean[name])]
    if len(ends) == 3:
        ax.plot([cost] * 2, ends[::2], color=colour, linewidth=1.4)
    ax.plot(
        cost, mean["value"], "D" if each.primary else "o", color=colour, markersize=5.5,
        markerfacecolor="white" if own else colour,
    )  # fmt: skip
    return cost, ends, mean["value"], each.name
