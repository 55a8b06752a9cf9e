"""All figures of a data set that need result tables alone."""

from collections.abc import Callable, Iterable, Mapping
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
from faithcam.results.declared import Evaluations


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
    statistics = tables["statistics"]
    figures: dict[str, Callable[[Path | str], None]] = {
        "aopc_curves": lambda path: aopc_curves.draw(
            tables["curves"], tables["models"], dataset, evaluations, settings, path
        ),
        "completeness": lambda path: completeness.draw(tables["completeness"], dataset, path),
        "haas": lambda path: haas.draw(statistics, dataset, settings, path),
        "max_sensitivity": lambda path: max_sensitivity.draw(statistics, dataset, settings, path),
        "paired_differences": lambda path: paired_differences.draw(
            statistics, dataset, evaluations, settings, path
        ),
        "scoreboard": lambda path: scoreboard.draw(
            statistics, dataset, evaluations, settings, path
        ),
    }
    for path in paths:
        figures[Path(path).name.removesuffix(f"-{dataset}.png")](path)
