"""Completeness: does a map's sum equal the class score without its bias?"""

from pathlib import Path

import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import PAIR, where

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#6b6b6b")
_MARKERS = "osD^vPX*"


def draw(table: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a row per head, a column per map: sum over all cells against the class score."""
    frame = subject.rows(table)
    frame = frame[frame["method"].isin(PAIR)]
    heads, methods = sorted(set(frame["head"])), style.ordered(frame["method"])
    architectures = sorted(set(frame["architecture"]))
    title = f"Completeness on {subject.dataset}: does the map add up to the score it explains?"
    with style.figure(path, 7.5, 1 + 3.1 * max(1, len(heads)), title) as fig:
        if frame.empty:
            style.nothing(fig, "no maps")
            return
        panels = style.Panels.of(fig, heads, methods, sharex="row", sharey="row")
        for head, method, ax in panels:
            part = where(frame, head=head, method=method)
            for i, architecture in enumerate(architectures):
                dots = part[part["architecture"] == architecture]
                ax.plot(
                    dots["score_minus_bias"],
                    dots["map_sum"],
                    _MARKERS[i % len(_MARKERS)],
                    color=_COLOURS[i % len(_COLOURS)],
                    markersize=3.5,
                    alpha=0.45,
                    markeredgewidth=0,
                    label=architecture,
                )
            error = (part["map_sum"] - part["score_minus_bias"]).abs()
            networks = len(part[["architecture", "seed"]].drop_duplicates())
            ax.set_title(f"{style.look(method).name}, {style.HEADS[head]} head")
            style.note(
                ax,
                f"{networks} networks, {len(part)} maps\n"
                f"|error|: median {error.median():.2g}, largest {error.max():.2g}",
                "upper left",
            )
            ax.axline((0, 0), slope=1, color="#000000", linewidth=0.8, zorder=0.5)
            ax.margins(y=0.12)
        for _, ax in panels.first():
            ax.set_ylabel("sum of the map")
        linear = set(heads) <= {"flatten", "gap"}
        panels.label_x("class logit - bias" if linear else "class logit - that of no activations")
        handles, labels = panels.axes[0][0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower left", ncols=len(labels), markerscale=1.8)
