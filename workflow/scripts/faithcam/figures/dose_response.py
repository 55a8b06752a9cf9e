"""Dose-response: does the advantage over Grad-CAM grow with how much weights vary over space?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.network_means import network_means, plural
from faithcam.figures.subject import Subject
from faithcam.statistics.settings import MODEL

# the feature space, where the curve is proven, stands first; ranks decide AOPC, norms the others
PANELS = {
    "feature_aopc": ("Feature-space AOPC", "rank"),
    "aopc": ("AOPC", "rank"),
    "max_sensitivity": ("Max-Sensitivity", "norm"),
    "haas": ("HAAS", "norm"),
}
DOSES = {
    "rank": "dose: 1 \N{MINUS SIGN} Spearman(map, Grad-CAM)",
    "norm": "dose: norm of map \N{MINUS SIGN} Grad-CAM,\nrelative to the map's",
}
_ORDER = ("hirescam", "sham")


def draw(scores: pa.Table, models: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a panel per metric: difference to Grad-CAM against dose, of HiResCAM and of its sham."""
    rows = network_means(subject.rows(scores), models)
    title = f"Dose-response on {subject.dataset}: heads between constant (0) and trained weights"
    with style.figure(path, 11, 3.7, title) as fig:
        metrics = [name for name in PANELS if name in set(rows.get("metric", ()))]
        if not metrics or not {"hirescam", "gradcam"} <= set(rows.columns):
            style.nothing(fig, "no dose-response of an included Flatten network")
            return
        signs = subject.evaluations.signs("dose_response")
        panels = style.Panels.of(fig, [""], metrics)
        for _, metric, ax in panels:
            title, kind = PANELS[metric]
            curves = _curves(rows, metric, kind, signs, subject)
            for method in (name for name in _ORDER if name in curves):
                _line(ax, curves[method], method)
            ax.axhline(0, color="#000000", linewidth=0.8)
            ax.set_title(title)
            ax.set_xlabel(DOSES[kind], fontsize=8)
            ax.locator_params(nbins=5)
        axes = panels.axes[0]
        axes[0].set_ylabel("map \N{MINUS SIGN} Grad-CAM\n(up: the map does better)")
        networks = int(rows[MODEL].drop_duplicates().shape[0])
        if metrics[0] == "feature_aopc":
            style.note(axes[0], "proven: zero at dose 0, rising", "upper left")
        style.note(axes[-1], f"{networks} networks", "lower left")
        handles, labels = axes[0].get_legend_handles_labels()
        over = f"mean and {subject.level} interval over {plural(subject.unit)}"
        labels = [f"{label}, {over}" for label in labels]
        fig.legend(handles, labels, loc="outside lower left", ncols=2)


def _curves(
    rows: pd.DataFrame,
    metric: str,
    kind: str,
    signs: Mapping[str, int],
    subject: Subject,
) -> dict[str, pd.DataFrame]:
    """Return the points of each method: mean difference and mean dose at every t."""
    doses = rows[(rows["metric"] == "dose") & (rows.get("kind") == kind)].set_index([*MODEL, "t"])
    part = rows[rows["metric"] == metric].set_index([*MODEL, "t"])
    curves = {}
    for method in (name for name in _ORDER if name in part.columns and name in doses.columns):
        change = part["setting"].map(signs) * (part[method] - part["gradcam"])
        joined = pd.DataFrame({"change": change, "dose": doses[method]}).dropna().reset_index()
        curves[method] = subject.over_units(joined, ["t"], ["change", "dose"])
    return curves


def _line(ax: Any, points: pd.DataFrame, method: str) -> None:
    look = style.look(method)
    points = points.sort_values("dose")
    x = points["dose"].to_numpy()
    ax.fill_between(x, points["low"], points["high"], color=look.colour, alpha=0.16, linewidth=0)
    ax.plot(
        x, points["change"], color=look.colour, marker=look.marker, linestyle=look.line,
        markersize=4.5, label=look.name,
    )  # fmt: skip
