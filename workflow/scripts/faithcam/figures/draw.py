"""All figures of a data set that need result tables alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from faithcam.figures import (
    aopc_curves,
    completeness,
    haas,
    max_sensitivity,
    paired_differences,
    scoreboard,
)
from faithcam.figures.subject import Subject
from faithcam.results.declared import Evaluations

OF_STATISTICS: dict[str, Any] = {
    "haas": haas,
    "max_sensitivity": max_sensitivity,
    "paired_differences": paired_differences,
    "scoreboard": scoreboard,
}


def draw_all(
    dataset: str,
    tables: Mapping[str, pa.Table],
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    paths: Iterable[Path | str],
) -> None:
    """Draw the figures whose files are named.

    Args:
        dataset: name of the data set.
        tables: ``curves``, ``completeness``, ``models`` and ``statistics``.
        evaluations: all that were declared.
        settings: of the config: ``metrics``, ``statistics`` and ``methods``.
        paths: PNG files named ``{figure}-{dataset}.png``.
    """
    subject, statistics = Subject(dataset, evaluations, settings), tables["statistics"]
    for path in paths:
        match Path(path).name.removesuffix(f"-{dataset}.png"):
            case "aopc_curves":
                aopc_curves.draw(tables["curves"], tables["models"], subject, path)
            case "completeness":
                completeness.draw(tables["completeness"], subject, path)
            case name:
                OF_STATISTICS[name].draw(statistics, subject, path)
