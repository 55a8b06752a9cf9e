"""What a map costs, and how near it is to the truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.agreements import Agreements, is_law, short_name
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import where
from faithcam.truth.estimands import ESTIMANDS


def draw(scores: pa.Table, models: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per kind of network: agreement with the first estimand over passes."""
    agreements = Agreements(scores, models, subject)
    kinds, estimands = agreements.kinds, agreements.estimands
    title = f"What an agreement with the truth costs on {subject.dataset}"
    with style.figure(path, 9.5, 0.9 + 3.9 * max(1, len(kinds)), title) as fig:
        if not estimands:
            style.nothing(fig, "no agreement with the truth of an included network")
            return
        panels = style.Panels.of(fig, kinds, [estimands[0]], sharex=True)
        panels.label_x(
            "forward passes per image (a backward pass counts as two); open: follows from the "
            "definition"
        )
        of = {kind: _costs(agreements, kind, estimands[0]) for kind in kinds}
        truths = {kind: _of_truth(agreements, kind) for kind in kinds}
        most = max(points["passes"].max() for points in of.values())
        for kind, estimand, ax in panels:
            points = of[kind]
            for row in points.to_dict("records"):
                law = is_law(estimand, row["method"], kind)
                look = style.look("occlusion" if "occlusion" in row["method"] else row["method"])
                if np.isfinite(row["low"]):
                    ax.plot([row["passes"]] * 2, [row["low"], row["high"]], color=look.colour, lw=1)
                ax.plot(
                    row["passes"], row["agreement"], look.marker, color=look.colour, markersize=6,
                    markerfacecolor="white" if law else look.colour,
                )  # fmt: skip
            ax.set_xscale("symlog", linthresh=1, linscale=0.9)
            truth = truths[kind]
            if truth:
                ax.axvline(truth, color="#000000", linestyle=(0, (4, 3)), linewidth=1)
                ax.text(
                    truth, 1.01, "the truth, at most", ha="right", va="bottom", fontsize=7.5,
                    color=style.GREY, transform=ax.get_xaxis_transform(),
                )  # fmt: skip
            ax.set_xlim(-0.25, 6 * max(most, *truths.values(), 10))
            ax.set_title(f"{kind}, n = {agreements.count(kind)}")
            ax.set_ylabel(f"Spearman with the truth\n({ESTIMANDS[estimand].title})")
            ax.axhline(0, color="#000000", linewidth=0.8)
        for kind, _, ax in panels:
            names = [short_name(name) for name in of[kind]["method"]]
            passes, agreement = of[kind]["passes"].tolist(), of[kind]["agreement"].tolist()
            style.label_points(ax, passes, agreement, names)


def _of_truth(agreements: Agreements, kind: str) -> float:
    """Return the passes of the truth, at most: mean over a kind's architectures."""
    names = sorted(set(where(agreements.rows, kind=kind)["architecture"]))
    return float(np.mean([_network(agreements, name)["truth"] for name in names]))


def _network(agreements: Agreements, architecture: str) -> Any:
    return agreements.subject.settings["networks"][architecture]


def _costs(agreements: Agreements, kind: str, estimand: str) -> pd.DataFrame:
    """Return means over networks of agreement and passes, of maps whose cost is known."""
    rows = where(agreements.rows, kind=kind, estimand=estimand)
    passes = [
        _network(agreements, architecture)["passes"].get(method, np.nan)
        for architecture, method in rows[["architecture", "method"]].itertuples(index=False)
    ]
    rows = rows.assign(passes=np.array(passes, np.float64)).dropna(subset="passes")
    return agreements.subject.over_units(rows, ["method"], ["agreement", "passes"])
