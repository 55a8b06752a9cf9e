"""The verdict on every metric at a glance: what it prefers, what each control says, in words."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.validity.verdicts import ALL, GROUPS, Verdict, preferred, verdicts

LOOKS = {
    "pass": ("\N{CHECK MARK}", "#cfe8df", "#00694d"),
    "fail": ("\N{BALLOT X}", "#f6d2bd", "#a23c00"),
    "inconclusive": ("?", "#f3ecc4", "#6b5a00"),
    "reported": ("\N{EN DASH}", "#ededed", "#6b6b6b"),
}
WORDS = {"valid": "pass", "not valid": "fail", "inconclusive": "inconclusive"}
_HEADS = {
    "sham": "sham", "agreement with part Shapley values": "agreement\nwith Shapley values of parts",
    "perfect imputer": "perfect\nimputer", "wrong maps": "wrong\nmaps",
    "smoothness": "smooth-\nness", "damage ladder": "damage\nladder",
    "dose-response": "dose\nresponse", "reliability": "reliability",
    "laws": "laws of\nthe code",
}  # fmt: skip
_REACH = 1.1  # half the width of the forest
_FIRST, _STEP = 3.5, 1.13  # where the cells are
_WORDS = _FIRST + _STEP * len(GROUPS) - 0.4  # where the verdict is


def draw(validity: pa.Table, statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a row per metric and protocol, a column per group of controls, then the verdict."""
    dataset = subject.dataset
    judged = [
        verdict
        for verdict in verdicts(validity.to_pandas(), subject.settings)
        if dataset in (ALL, verdict.dataset)
    ]
    names = list(dict.fromkeys(verdict.dataset for verdict in judged))
    preferences = preferred(statistics, subject.evaluations, subject.settings)
    lines = len(judged) + (len(names) if dataset == ALL else 0)
    where = f" on {dataset}?" if dataset != ALL else "? All data sets"
    with style.figure(
        path, 11.5, 1.75 + 0.36 * max(2, lines), f"Do the metrics reward faithfulness{where}"
    ) as fig:
        if not judged:
            style.nothing(fig, "no metric was judged")
            return
        ax = fig.subplots()
        ax.set(xlim=(-_REACH - 3.2, _WORDS + 3.9), ylim=(lines - 0.3, -1.35))
        ax.axis("off")
        _headings(ax)
        y = 0
        for name in names:
            if dataset == ALL:
                block = "all together" if name == ALL else name
                ax.text(-_REACH - 3.0, y + 0.1, block, fontweight="bold", fontsize=9, va="center")
                y += 1
            for verdict in (v for v in judged if v.dataset == name):
                title = subject.title(verdict.metric)
                _row(ax, y, f"{title}, {verdict.protocol}", verdict, preferences)
                y += 1
        _legend(fig, subject.level)


def _headings(ax: Any) -> None:
    quiet = {"fontsize": 7.6, "va": "baseline", "color": "#333333"}
    ax.text(0, -1.02, "which map it prefers", ha="center", **quiet)
    small = {"fontsize": 7, "va": "baseline", "color": style.GREY}
    ax.text(-0.12, -0.6, "\N{LEFTWARDS ARROW} Grad-CAM", ha="right", **small)
    ax.text(0.12, -0.6, "HiResCAM \N{RIGHTWARDS ARROW}", ha="left", **small)
    for k, name in enumerate(GROUPS):
        x = _FIRST + _STEP * k
        ax.text(x, -0.6, _HEADS[name], ha="center", linespacing=1.05, **quiet)
    ax.text(_WORDS, -0.6, "verdict", ha="left", **quiet)


def _row(ax: Any, y: int, label: str, verdict: Verdict, preferences: pd.DataFrame) -> None:
    ax.text(-_REACH - 0.25, y, label, ha="right", va="center", fontsize=8.5)
    key = (verdict.dataset, verdict.protocol, verdict.metric)
    if key in preferences.index:
        ax.plot([0, 0], [y - 0.5, y + 0.5], color="#000000", linewidth=0.8)
        _preference(ax, y, preferences.loc[[key]].iloc[0])
    for k, name in enumerate(GROUPS):
        outcome = verdict.groups.get(name)
        x = _FIRST + _STEP * k
        if outcome is None:
            ax.text(x, y, "\N{MIDDLE DOT}", ha="center", va="center", color="#b8b8b8")
        else:
            _cell(ax, x, y, outcome)
    symbol, _, colour = LOOKS[WORDS[verdict.outcome]]
    why = _why(verdict)
    bold = {"fontsize": 9, "fontweight": "bold", "va": "center"}
    up = 0.13 if why else 0
    ax.text(_WORDS, y - up, f"{symbol} {verdict.outcome}", color=colour, **bold)
    ax.text(_WORDS, y + 0.28, why, va="center", fontsize=6.8, color=style.GREY)


def _why(verdict: Verdict) -> str:
    """Return what keeps a metric from being valid; of all data sets together, where."""
    forgiven = verdict.outcome == "inconclusive" and verdict.names("fail")
    if verdict.dataset == ALL or forgiven:
        return textwrap.shorten(verdict.reason, 48, placeholder=" \N{HORIZONTAL ELLIPSIS}")
    if verdict.outcome == "not valid":
        return f"fails: {_some(verdict.names('fail'))}"
    unclear, missing = verdict.names("inconclusive"), verdict.missing()
    if verdict.outcome == "valid" or not (unclear or missing):
        return ""
    return f"open: {_some(unclear)}" if unclear else f"not run: {_some(missing)}"


def _some(names: Sequence[str], most: int = 2) -> str:
    more = f" +{len(names) - most}" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _cell(ax: Any, x: float, y: float, outcome: str, size: float = 0.97) -> None:
    symbol, fill, ink = LOOKS[outcome]
    box = FancyBboxPatch(
        (x - size / 2, y - 0.36), size, 0.72,
        boxstyle="round,pad=0,rounding_size=0.09", facecolor=fill, edgecolor="none",
    )  # fmt: skip
    ax.add_patch(box)
    ax.text(x, y, symbol, ha="center", va="center", fontsize=10, color=ink, fontweight="bold")


def _preference(ax: Any, y: float, row: "pd.Series[Any]") -> None:
    scale = _REACH / row["reach"]
    if row["floor"] > 0:
        floor = row["floor"] * scale
        ax.barh(y, 2 * floor, 0.6, left=-floor, color="#d9d9d9", zorder=0.5)
    if np.isfinite(row["low"]):
        ax.plot([row["low"] * scale, row["high"] * scale], [y, y], color="#000000", linewidth=1.3)
    ax.plot(row["estimate"] * scale, y, "D", color="#000000", markersize=4.2)
    minus = "\N{MINUS SIGN}"
    number = f"{row['estimate']:+#.2g}".replace("-", minus)
    interval = f"[{row['low']:+#.2g}, {row['high']:+#.2g}]".replace("-", minus)
    ax.text(_REACH + 0.15, y - 0.13, number, fontsize=8, va="center")
    if np.isfinite(row["low"]):
        ax.text(_REACH + 0.15, y + 0.24, interval, fontsize=6, va="center", color=style.GREY)


def _legend(fig: Any, level: str) -> None:
    handles: list[Any] = [Patch(facecolor=LOOKS[name][1]) for name in LOOKS]
    labels = [f"{LOOKS[name][0]} {name}" for name in LOOKS]
    handles.append(Line2D([], [], color="#b8b8b8", marker="o", ls="", markersize=2))
    labels.append("not run")
    handles += [Line2D([], [], color="#000000", marker="D", markersize=4), Patch(color="#d9d9d9")]
    labels += [f"mean, {level} interval", "noise floor"]
    fig.legend(handles, labels, loc="outside lower left", ncols=len(handles), fontsize=7.5)
