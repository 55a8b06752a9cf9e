"""Which map is nearest to the truth: every map's agreement with each declared estimand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.lines import Line2D

from faithcam.figures import style
from faithcam.figures.agreements import Agreements, short_name
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import where
from faithcam.truth.estimands import ESTIMANDS

LAW, MEASURED = "#E69F00", "#0072B2"


def draw(agreement: pa.Table, statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a row of panels per kind of network, a panel per estimand, a line per map."""
    agreements = Agreements(agreement, statistics, subject)
    estimands, kinds = agreements.estimands, agreements.kinds
    means = {kind: where(agreements.means, networks=kind) for kind in kinds}
    orders = {kind: _order(means[kind], estimands) for kind in kinds}
    width = 2.3 + 1.75 * max(2, len(estimands))
    height = 1.1 + sum(0.75 + 0.19 * len(order) for order in orders.values())
    title = f"Which map is nearest to the truth on {subject.dataset}?"
    with style.figure(path, width, max(2.5, height), title) as fig:
        if not estimands:
            style.nothing(fig, "no agreement with the truth of an included network")
            return
        heights = [2 + len(orders[kind]) for kind in kinds]
        panels = style.Panels.of(
            fig, kinds, estimands, sharex=True, sharey="row", height_ratios=heights
        )
        for kind, estimand, ax in panels:
            order = orders[kind]
            places = {method: y for y, method in enumerate(order)}
            of_networks = where(agreements.networks, networks=kind, estimand=estimand)
            for method, rows in of_networks.sort_values(["architecture", "seed"]).groupby(
                "method_a"
            ):
                values = rows["estimate"].to_numpy()
                spread = 0.09 * (np.arange(len(values)) % 3 - 1)
                ax.plot(
                    values, places[str(method)] + spread, "o", color=style.GREY, markersize=3,
                    alpha=0.45, markeredgewidth=0,
                )  # fmt: skip
            for row in where(means[kind], estimand=estimand).to_dict("records"):
                y, law = places[row["method_a"]], row["law"]
                colour = LAW if law else MEASURED
                if np.isfinite(row["low"]):
                    ax.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.6)
                face = "white" if law else colour
                ax.plot(row["estimate"], y, "D", color=colour, markerfacecolor=face, markersize=5)
            ax.axvline(0, color="#000000", linewidth=0.8)
            ax.set_title(ESTIMANDS[estimand].title, pad=4)
            ax.tick_params(axis="y", length=0)
            ax.locator_params(axis="x", nbins=5)
        for kind, ax in panels.first():
            ax.set_yticks(range(len(orders[kind])), [short_name(name) for name in orders[kind]])
            ax.set_ylim(len(orders[kind]) - 0.4, -0.6)
            for label, name in zip(ax.get_yticklabels(), orders[kind], strict=True):
                label.set_fontweight("bold" if name in subject.settings["methods"] else "normal")
            ax.set_ylabel(agreements.title(kind), fontweight="bold")
        ax.set_xlim(right=max(1.05, ax.get_xlim()[1]))  # shared by all
        panels.label_x("Spearman with the truth")
        fig.legend(
            handles=[
                Line2D([], [], color=style.GREY, marker="o", ls="", alpha=0.45, markersize=4),
                Line2D([], [], color=MEASURED, marker="D", markersize=5),
                Line2D([], [], color=LAW, marker="D", markersize=5, markerfacecolor="white"),
            ],
            labels=[
                "a network",
                f"mean, {subject.level} t interval",
                "follows from the definition: no evidence for the map",
            ],
            loc="outside lower left",
            ncols=3 if len(estimands) > 2 else 1,  # as wide as the figure
        )


def _order(means: pd.DataFrame, estimands: list[str]) -> list[str]:
    """Return all methods, the nearest to the first estimand first."""
    if not estimands:
        return []
    first = where(means, estimand=estimands[0]).set_index("method_a")["estimate"]
    rest = sorted(set(means["method_a"]) - set(first.index))
    return [*first.sort_values(ascending=False, kind="stable").index, *rest]
