"""What a map costs, and how near it is to the truth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.agreements import Agreements, short_name
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import where
from faithcam.truth.estimands import ESTIMANDS


def draw(agreement: pa.Table, statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per kind of network: agreement with the first estimand over passes."""
    agreements = Agreements(agreement, statistics, subject)
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
                law = row["law"]
                look = style.look(
                    "occlusion" if "occlusion" in row["method_a"] else row["method_a"]
                )
                if np.isfinite(row["low"]):
                    ax.plot([row["passes"]] * 2, [row["low"], row["high"]], color=look.colour, lw=1)
                ax.plot(
                    row["passes"], row["estimate"], look.marker, color=look.colour, markersize=6,
                    markerfacecolor="white" if law else look.colour,
                )  # fmt: skip
            style.scale_passes(ax)
            truth = truths[kind]
            if truth:
                ax.axvline(truth, color="#000000", linestyle=(0, (4, 3)), linewidth=1)
                ax.text(
                    truth, 1.01, "the truth, at most", ha="right", va="bottom", fontsize=7.5,
                    color=style.GREY, transform=ax.get_xaxis_transform(),
                )  # fmt: skip
            ax.set_xlim(-0.25, 6 * max(most, *truths.values(), 10))
            ax.set_title(agreements.title(kind))
            ax.set_ylabel(f"Spearman with the truth\n({ESTIMANDS[estimand].title})")
            ax.axhline(0, color="#000000", linewidth=0.8)
        for kind, _, ax in panels:
            names = [short_name(name) for name in of[kind]["method_a"]]
            passes, agreement = of[kind]["passes"].tolist(), of[kind]["estimate"].tolist()
            style.label_points(ax, passes, agreement, names)


def _facts(agreements: Agreements, kind: str) -> list[Mapping[str, Any]]:
    """Return what is known of each network of a kind."""
    networks = where(agreements.networks, networks=kind)[["architecture", "seed"]]
    names = networks.drop_duplicates()["architecture"]
    return [agreements.subject.settings["networks"][name] for name in names]


def _of_truth(agreements: Agreements, kind: str) -> float:
    """Return the passes of the truth, at most: mean over a kind's networks."""
    return float(np.mean([facts["truth"] for facts in _facts(agreements, kind)]))


def _costs(agreements: Agreements, kind: str, estimand: str) -> pd.DataFrame:
    """Return the means of maps whose cost is known, with their ``passes``: mean over networks."""
    rows = where(agreements.means, networks=kind, estimand=estimand)
    facts = _facts(agreements, kind)
    passes = [
        np.mean([each["passes"].get(method, np.nan) for each in facts])
        for method in rows["method_a"]
    ]
    return rows.assign(passes=np.array(passes, np.float64)).dropna(subset="passes")
