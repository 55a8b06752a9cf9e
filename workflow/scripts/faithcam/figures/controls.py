"""All figures of a data set that show controls."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from faithcam.figures import damage_ladder, dose_response, multiverse, sham
from faithcam.figures.subject import Subject
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations

OF_SCORES: dict[str, Any] = {"dose_response": dose_response, "damage_ladder": damage_ladder}


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
        files: with the names ``scores``, ``models``, ``statistics``; ``multiverse``: one or none.
        evaluations: all that were declared.
        settings: ``datasets``, ``metrics`` and ``statistics`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
        paths: PNG files named ``{figure}-{dataset}.png``.
    """
    subject = Subject(dataset, evaluations, settings)
    for path in paths:
        match Path(path).name.removesuffix(f"-{dataset}.png"):
            case "sham":
                sham.draw(tables.read(files.statistics), subject, path)
            case "multiverse":
                (file,) = files.multiverse
                multiverse.draw(tables.read(file), subject, path)
            case metric:  # the table of scores may be larger than memory
                chosen = (pc.field("dataset") == dataset) & (pc.field("metric") == metric)
                scores = tables.read(files.scores, filters=chosen)
                OF_SCORES[metric].draw(scores, tables.read(files.models), subject, path)
