"""All figures of a data set that show agreement and concordance with the truth."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from faithcam.figures import (
    agreement_cost,
    concordance_by_gap,
    concordance_cost,
    concordance_matrix,
    map_leaderboard,
    metric_leaderboard,
    overlap,
)
from faithcam.figures.subject import Subject
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.statistics.agreement import METRIC

OF_AGREEMENT: dict[str, Any] = {
    "agreement_cost": agreement_cost,
    "map_leaderboard": map_leaderboard,
}
OF_CONCORDANCE: dict[str, Any] = {
    "concordance_by_gap": concordance_by_gap,
    "concordance_cost": concordance_cost,
    "concordance_matrix": concordance_matrix,
}


def draw_all(
    dataset: str,
    files: Any,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    paths: Iterable[Path | str],
) -> None:
    """Draw the figures whose files are named; only what a figure needs is read.

    Args:
        dataset: name of the data set.
        files: with the names ``agreement``, ``statistics``, ``concordance`` and ``validity``.
        evaluations: all that were declared.
        settings: ``methods``, ``truth``, ``concordance`` and ``statistics`` of the config, ``data``
            (:func:`faithcam.experiment.datasets.specs`) and ``networks``
            (:class:`faithcam.figures.agreements.Agreements`).
        paths: PNG files named ``{figure}-{dataset}.png``.
    """
    subject = Subject(dataset, evaluations, settings)
    wanted = (pc.field("dataset") == dataset) & (pc.field("metric") == METRIC)
    for path in paths:
        name = Path(path).name.removesuffix(f"-{dataset}.png")
        if name in OF_AGREEMENT:
            statistics = tables.read(files.statistics, filters=wanted)
            OF_AGREEMENT[name].draw(tables.read(files.agreement), statistics, subject, path)
            continue
        concordance = tables.read(files.concordance)
        if name == "overlap":
            statistics = tables.read(files.statistics, filters=wanted)
            overlap.draw(statistics, concordance, subject, path)
        elif name == "metric_leaderboard":
            verdicts = tables.read(files.validity)
            metric_leaderboard.draw(concordance, verdicts, subject, path)
        else:
            OF_CONCORDANCE[name].draw(concordance, subject, path)
