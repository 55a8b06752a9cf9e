"""HiResCAM against its sham, and the sham against Grad-CAM."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import MODEL, where

PAIRS = {
    ("hirescam", "gradcam"): "HiResCAM \N{MINUS SIGN} Grad-CAM",
    ("hirescam", "sham"): "HiResCAM \N{MINUS SIGN} sham",
    ("sham", "gradcam"): "sham \N{MINUS SIGN} Grad-CAM",
}
_COLOURS = ("#0072B2", "#009E73", "#D55E00")


def draw(statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per protocol and metric, a line per pair of maps, right: the first is better."""
    frame = subject.rows(statistics, head="flatten")
    chosen = subject.published_by_protocol()
    metrics = list(dict.fromkeys(name for settings in chosen.values() for name in settings))
    shams = frame[(frame["method_a"] == "sham") | (frame["method_b"] == "sham")]
    protocols = [name for name in chosen if name in set(shams["protocol"])]
    title = (
        f"Sham control on {subject.dataset}: does the metric see that each cell has its own "
        "weights?"
    )
    with style.figure(path, 9.5, 1.2 + 1.75 * max(1, len(protocols)), title) as fig:
        if not protocols:
            style.nothing(fig, "no scores of sham maps of an included Flatten network")
            return
        panels = style.Panels.of(fig, protocols, metrics, sharey=True)
        for protocol, metric, ax in panels:
            setting = str(chosen[protocol].get(metric))
            part = where(frame, protocol=protocol, metric=metric, setting=setting)
            _panel(ax, part, subject.evaluations.sign(metric))
            ax.set_title(f"{subject.title(metric)}, {protocol}", pad=16)
        for _, ax in panels.first():
            ax.set_yticks(range(len(PAIRS)), list(PAIRS.values()))
            ax.set_ylim(len(PAIRS) - 0.45, -0.55)
        panels.label_x("difference, better to the right")
        fig.legend(
            handles=[
                Line2D([], [], color=style.GREY, marker="o", ls="", alpha=0.6, markersize=4.5),
                Line2D([], [], color="#000000", marker="D", markersize=4.5),
                Patch(color="#d9d9d9"),
            ],
            labels=[
                "a network",
                f"mean over networks or seeds, {subject.level} interval",
                "noise floor",
            ],
            loc="outside lower left",
            ncols=3,
        )


def _panel(ax: Any, rows: pd.DataFrame, sign: int) -> None:
    ax.axvline(0, color="#000000", linewidth=0.8)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    means = where(rows, effect_name="mean", level="image")
    wide = means.pivot(index=MODEL, columns="method_a", values="estimate")
    for y, ((a, b), colour) in enumerate(zip(PAIRS, _COLOURS, strict=True)):
        row = _paired(rows, a, b)
        if row is not None and row["floor"] > 0:
            ax.barh(y, 2 * row["floor"], 0.62, left=-row["floor"], color="#d9d9d9", zorder=0.5)
        if {a, b} <= set(wide.columns):
            dots = sign * (wide[a] - wide[b]).dropna().to_numpy()
            spread = 0.06 * (np.arange(len(dots)) % 3 - 1) - 0.17
            ax.plot(
                dots, y + spread, "o", color=colour, markersize=4, alpha=0.55, markeredgewidth=0
            )
        if row is None:
            continue
        if np.isfinite(row["low"]):
            ends = [sign * row["low"], sign * row["high"]]
            ax.plot(ends, [y + 0.14] * 2, color="#000000", linewidth=1.4)
        ax.plot(sign * row["estimate"], y + 0.14, "D", color="#000000", markersize=4.5)
    style.centre(ax)
    units = max((row["n"] for a, b in PAIRS if (row := _paired(rows, a, b)) is not None), default=0)
    ax.text(
        1, 1.02, f"n = {units}", transform=ax.transAxes, ha="right", va="bottom",
        fontsize=7.5, color=style.GREY,
    )  # fmt: skip


def _paired(rows: pd.DataFrame, a: str, b: str) -> "pd.Series[Any] | None":
    """Return the row of a - b over all networks."""
    rows = where(rows, effect_name="Cohen dz", architecture="all", method_a=a, method_b=b)
    return rows.iloc[0] if len(rows) else None
