"""AOPC curves: how the class probability falls while regions are removed in a map's order."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from faithcam.core.setting import Setting
from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT, THESIS
from faithcam.statistics.settings import MAPS, MODEL, PAIR, where

DIFFERENCE = "HiResCAM - Grad-CAM"
_LOOKS: dict[str, Any] = {  # colour, marker and line of the differences
    STRICT: ("#000000", "", "-"),
    THESIS: ("#CC79A7", "", (0, (4, 1.5))),
}


def draw(curves: pa.Table, models: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a row of panels per architecture: strict, thesis, and HiResCAM - Grad-CAM of both.

    Lines are means over the included networks, bands the t intervals of the networks' own maps.
    """
    frame = subject.rows(curves)
    included = models.to_pandas()
    frame = frame.merge(included.loc[included["included"], MODEL], on=MODEL)
    head = style.one_head(frame)
    primary = {
        name: subject.evaluations.primary(name, subject.dataset) for name in (STRICT, THESIS)
    }
    settings = {
        name: by_metric["aopc"] for name, by_metric in primary.items() if "aopc" in by_metric
    }
    frame = frame[(frame["head"] == head) & frame["setting"].isin(map(str, settings.values()))]
    architectures = sorted(set(frame["architecture"]))
    confidence = subject.confidence
    title = (
        f"AOPC curves on {subject.dataset}, {style.HEADS[head]} head: which map finds what matters?"
    )
    with style.figure(path, 9, 1.2 + 2.5 * max(1, len(architectures)), title) as fig:
        if frame.empty:
            style.nothing(fig, "no AOPC curves of an included network")
            return
        panels = style.Panels.of(fig, architectures, [*settings, DIFFERENCE], sharex=True)
        for architecture, protocol, ax in panels:
            if protocol == DIFFERENCE:
                ax.set_title(f"{architecture}, {DIFFERENCE}")
                for name, setting in settings.items():
                    difference = _difference(_curves(frame, architecture, name, setting))
                    look = style.Look(f"{name} ({style.region_text(setting)})", *_LOOKS[name])
                    _line(ax, difference, look, confidence)
                ax.axhline(0, color=style.GREY, linewidth=0.8)
                continue
            part = _curves(frame, architecture, protocol, settings[protocol])
            for method in style.ordered(part["method"]):
                line = part[part["method"] == method]
                _line(ax, line, style.look(method), confidence if method in MAPS else None)
            ax.set_title(f"{architecture}, {protocol} ({style.region_text(settings[protocol])})")
            networks = len(part[MODEL].drop_duplicates())
            images = part["images"]
            if networks:
                style.note(ax, f"{networks} networks,\n{images.min()}-{images.max()} images each")
                _limit(ax)
        for _, ax in panels.first():
            ax.set_ylabel("drop of class\nprobability")
        panels.label_x("regions removed (%)")
        axes = panels.axes
        axes[0][0].set_xlim(0, 100)
        handles, labels = axes[0][0].get_legend_handles_labels()
        fig.legend(
            handles,
            labels,
            loc="outside lower left",
            ncols=len(labels) if len(labels) <= 4 else 3,
            title=f"means over networks; bands: {style.percent(confidence)} t intervals",
            alignment="left",
        )
        handles, labels = axes[0][-1].get_legend_handles_labels()
        fig.legend(
            handles,
            labels,
            loc="outside lower right",
            ncols=2,
            title="differences, right column",
            alignment="left",
        )


def _curves(
    frame: pd.DataFrame, architecture: str, protocol: str, setting: Setting
) -> pd.DataFrame:
    """Return the curves of one panel."""
    return where(frame, architecture=architecture, protocol=protocol, setting=str(setting))


def _line(ax: Any, rows: pd.DataFrame, look: style.Look, confidence: float | None) -> None:
    """Draw the mean over networks and, from two networks on, its t interval if wanted."""
    if rows.empty:
        return
    wide = rows.pivot(index="step", columns=MODEL, values="mean").dropna(axis=1).to_numpy()
    share = np.linspace(0, 100, len(wide))
    mean, n = wide.mean(1), wide.shape[1]
    ax.plot(share, mean, color=look.colour, linestyle=look.line, label=look.name)
    if n > 1 and confidence:
        half = stats.t.ppf((1 + confidence) / 2, n - 1) * wide.std(1, ddof=1) / np.sqrt(n)
        ax.fill_between(share, mean - half, mean + half, color=look.colour, alpha=0.14, lw=0)


def _limit(ax: Any) -> None:
    """Show the lines and, as far as it does not dwarf them, their bands: two networks' are huge."""
    heights = np.concatenate([np.asarray(line.get_ydata()) for line in ax.lines])
    low, high = min(0, heights.min()), heights.max()
    room = 0.4 * (high - low)
    bottom, top = ax.get_ylim()
    ax.set_ylim(min(0, max(bottom, low - room)), max(min(top, high + room), low + 1e-6))


def _difference(rows: pd.DataFrame) -> pd.DataFrame:
    """Return HiResCAM's minus Grad-CAM's curves."""
    wide = rows.pivot(index=[*MODEL, "step"], columns="method", values="mean")
    if not set(PAIR) <= set(wide.columns):
        return rows.iloc[:0]
    return (wide[PAIR[0]] - wide[PAIR[1]]).rename("mean").dropna().reset_index()
