"""Contributions of the parts of images to the score, data set by data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.network_means import over_units, unit_columns
from faithcam.statistics.parts import DECOY, PARTS, of_networks

LOOKS = {
    "lesion": ("lesion", "#0072B2", "o"),
    "marker": ("marker", "#D55E00", "s"),
    "suppressor": ("suppressor", "#009E73", "^"),
    DECOY: ("a decoy", "#6b6b6b", "X"),
}


def draw(
    part_shapley: pa.Table, models: pa.Table, settings: Mapping[str, Any], path: Path | str
) -> None:
    """Draw the mean absolute contribution of each part on each data set, networks as dots.

    Args:
        part_shapley: rows of ``PART_SHAPLEY``.
        models: rows of ``MODELS``.
        settings: ``datasets`` and ``statistics`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
        path: PNG file to write.
    """
    rows = of_networks(part_shapley, models)
    datasets = [name for name in settings["datasets"] if name in set(rows["dataset"])]
    title = "What the parts of the image contribute to the score"
    with style.figure(path, max(5.5, 2.2 + 1.15 * len(datasets)), 3.9, title) as fig:
        if not datasets:
            style.nothing(fig, "no Shapley values of parts of an included Flatten network")
            return
        ax = fig.subplots()
        confidence = settings["statistics"]["confidence"]
        for x, dataset in enumerate(datasets):
            unit = unit_columns(nested=settings["data"][dataset]["nested"])
            part = rows[rows["dataset"] == dataset]
            means: Any = over_units(part, ["part"], ["size"], unit, confidence).set_index("part")
            names = [name for name in PARTS if name in means.index]
            for place, name in zip(_places(len(names)), names, strict=True):
                _mark(ax, x + place, part[part["part"] == name], means.loc[name], name)
        ax.set_xticks(range(len(datasets)), [name.replace("_", "\n") for name in datasets])
        ax.set_ylim(0, 1.25 * rows["size"].max())  # few seeds have intervals far beyond
        ax.grid(axis="x", visible=False)
        ax.set_ylabel("mean absolute contribution\nto the centred logit")
        handles, labels = ax.get_legend_handles_labels()
        known = dict(zip(labels, handles, strict=True))
        fig.legend(
            [known[label] for label, *_ in LOOKS.values() if label in known],
            [label for label, *_ in LOOKS.values() if label in known],
            loc="outside lower left",
            ncols=4,
        )


def _places(count: int) -> Any:
    """Return where the parts of a data set stand, side by side around 0."""
    return 0.19 * (np.arange(count) - (count - 1) / 2)


def _mark(ax: Any, x: float, networks: pd.DataFrame, mean: "pd.Series[Any]", name: str) -> None:
    label, colour, marker = LOOKS[name]
    spread = 0.03 * (np.arange(len(networks)) % 3 - 1) - 0.04
    ax.plot(
        x + spread, networks["size"], marker, color=colour, markersize=4.5, alpha=0.6,
        markeredgewidth=0, label=label, clip_on=False,
    )  # fmt: skip
    if np.isfinite(mean["low"]):
        ends = [mean["low"], mean["high"]]
        ax.plot([x + 0.05] * 2, ends, color=colour, linewidth=1.4)
    ax.plot(x + 0.05, mean["size"], "D", color="#000000", markersize=4.5, clip_on=False)
