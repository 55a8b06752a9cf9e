"""The specification curve: HiResCAM - Grad-CAM under every declared way to compute a metric."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.figures import style
from faithcam.figures.subject import Subject

OUTCOMES = {
    "win": ("HiResCAM wins", "#0072B2"),
    "within floor": ("within the floor, or undecided", "#8c8c8c"),
    "loss": ("Grad-CAM wins", "#D55E00"),
}


def draw(multiverse: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw sorted estimates with intervals and floors; below, which factors each one has."""
    frame = subject.rows(multiverse)
    metrics = sorted(set(frame["metric"]))
    factors = {name: _factors(frame[frame["metric"] == name]) for name in metrics}
    lines = max((sum(map(len, levels.values())) for levels in factors.values()), default=3)
    counts = [
        f"{subject.title(str(name))}: HiResCAM wins in {(won == 'win').sum()} of {len(won)}"
        for name, won in frame.groupby("metric")["outcome"]
    ]
    title = f"Multiverse on {subject.dataset}. {'; '.join(counts)} specifications"
    width = 10.0 if len(metrics) < 2 else 14.0
    with style.figure(path, width, 3.6 + 0.19 * lines, title) as fig:
        if frame.empty:
            style.nothing(fig, "no specification was computed")
            return
        axes = fig.subplots(
            2, len(metrics), squeeze=False, sharex="col", height_ratios=[2.6, 0.19 * lines]
        )
        for (above, below), name in zip(axes.T, metrics, strict=True):
            part = frame[frame["metric"] == name].sort_values(["estimate", "specification"])
            _estimates(above, part)
            _matrix(below, part, factors[name])
        axes[0][0].set_ylabel(f"HiResCAM \N{MINUS SIGN} Grad-CAM\nmean, {subject.level} interval")
        legend: dict[str, Any] = {}
        for ax in axes[0]:
            handles, labels = ax.get_legend_handles_labels()
            legend |= dict(zip(labels, handles, strict=True))
        fig.legend(list(legend.values()), list(legend), loc="outside lower left", ncols=4)


def _factors(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the levels of every factor that varies."""
    settings = [Setting.parse(text) for text in rows["specification"]]
    names = list(dict.fromkeys(name for setting in settings for name in setting))
    levels = {name: sorted({setting.get(name, "") for setting in settings}) for name in names}
    return {name: values for name, values in levels.items() if len(values) > 1}


def _estimates(ax: Any, rows: pd.DataFrame) -> None:
    x = np.arange(len(rows))
    floor = rows["floor"].fillna(0).to_numpy()
    ax.bar(x, 2 * floor, 1.0, bottom=-floor, color="#dedede", zorder=0.5, label="noise floor")
    ax.axhline(0, color="#000000", linewidth=0.8)
    for outcome, (label, colour) in OUTCOMES.items():
        chosen = (rows["outcome"] == outcome).to_numpy()
        if not chosen.any():
            continue
        part = rows[chosen]
        error = [part["estimate"] - part["low"], part["high"] - part["estimate"]]
        ax.errorbar(
            x[chosen], part["estimate"], error, fmt="o", color=colour, markersize=3.4,
            elinewidth=1, label=label,
        )  # fmt: skip
    ax.grid(axis="x", visible=False)
    ax.set_xlim(-0.9, len(rows) - 0.1)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    networks = rows["n"].max()
    style.note(ax, f"n = {networks}", "lower right")


def _matrix(ax: Any, rows: pd.DataFrame, factors: Mapping[str, list[str]]) -> None:
    x = np.arange(len(rows))
    pairs = [Setting.parse(text) for text in rows["specification"]]
    colours = rows["outcome"].map({name: colour for name, (_, colour) in OUTCOMES.items()})
    y, labels = 0, []
    for k, (name, levels) in enumerate(factors.items()):
        if k % 2 == 0:
            ax.axhspan(y - 0.5, y + len(levels) - 0.5, color="#f5f5f5", zorder=0, linewidth=0)
        for level in levels:
            has = np.array([pair.get(name, "") == level for pair in pairs])
            ax.scatter(x[has], np.full(has.sum(), y), s=9, marker="s", c=colours[has], linewidth=0)
            labels.append(f"{name}: {level or 'none'}")
            y += 1
    ax.set_yticks(range(y), labels, fontsize=7)
    ax.set_ylim(y - 0.5, -0.5)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelbottom=False)
    ax.set_xlabel("specifications, sorted by estimate", fontsize=8)
