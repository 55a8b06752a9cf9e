"""Max-Sensitivity over the radius of the noise, in all its versions."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT, THESIS
from faithcam.statistics.settings import columns_of, where

VERSIONS = {
    (THESIS, "absolute"): ("thesis: absolute", "norm of the change"),
    (STRICT, "absolute"): ("strict: absolute", "norm of the change"),
    (STRICT, "relative"): ("strict: relative", "change / norm of the map"),
    (STRICT, "rank"): ("strict: rank", "1 - Spearman"),
    (STRICT, "flips"): ("predictions", "share of flips"),
}


def draw(statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a row per architecture, a column per version: means over networks, t intervals."""
    frame = subject.rows(statistics, metric="max_sensitivity", effect_name="mean")
    frame = frame[(frame["level"] == "model") & (frame["architecture"] != "all")]
    head = style.one_head(frame)
    frame = frame[frame["head"] == head]
    frame = frame.join(columns_of(frame["setting"]))
    architectures = sorted(set(frame["architecture"]))
    title = (
        f"Max-Sensitivity on {subject.dataset}, {style.HEADS[head]} head (lower = more stable): "
        f"means over networks, {subject.level} t intervals"
    )
    with style.figure(path, 10, 1.2 + 2.1 * max(1, len(architectures)), title) as fig:
        if frame.empty:
            style.nothing(fig, "no Max-Sensitivity of an included network")
            return
        frame = frame.assign(radius=frame["radius"].astype(float))
        present = set(zip(frame["protocol"], frame["version"], strict=True))
        versions = [key for key in VERSIONS if key in present]
        panels = style.Panels.of(fig, architectures, versions, sharex=True)
        for architecture, (protocol, version), ax in panels:
            part = where(frame, architecture=architecture, protocol=protocol, version=version)
            _panel(ax, part)
            ax.set_title(VERSIONS[protocol, version][0])
            ax.set_ylabel(VERSIONS[protocol, version][1], fontsize=8)
        for architecture, ax in panels.first():
            ax.set_title(f"{architecture}\n{VERSIONS[versions[0]][0]}")
            networks = frame.loc[frame["architecture"] == architecture, "n"].max()
            style.note(ax, f"{networks} networks")
        panels.label_x("radius r")
        handles: dict[str, Any] = {}
        for ax in panels.axes.flat:
            handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        fig.legend(handles.values(), handles, loc="outside lower left", ncols=len(handles))


def _panel(ax: Any, rows: pd.DataFrame) -> None:
    methods = style.ordered(rows["method_a"])
    for i, method in enumerate(methods):
        look = style.look(method)
        line = rows[rows["method_a"] == method].sort_values("radius")
        reach = line["radius"].max() - line["radius"].min()
        x = line["radius"] + (i - (len(methods) - 1) / 2) * 0.03 * reach
        error = [line["estimate"] - line["low"], line["high"] - line["estimate"]]
        ax.errorbar(
            x,
            line["estimate"],
            error if line["low"].notna().all() else None,
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            markersize=4,
            capsize=2.5,
            elinewidth=1,
            label=look.name,
        )
    ax.set_ylim(bottom=0)
