"""All figures of a data set that show controls."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faithcam.figures import damage_ladder, decision, dose_response, multiverse, sham
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations


def draw_all(
    dataset: str,
    files: Any,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    paths: Iterable[Path | str],
) -> None:
    """Draw the figures whose files are named; only what a figure needs is read.

    Args:
        dataset: name of the data set, or ``all``.
        files: with the names ``validity``, ``multiverse``, ``scores``, ``models``, ``statistics``.
        evaluations: all that were declared.
        settings: ``datasets``, ``metrics`` and ``statistics`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.facts`).
        paths: PNG files named ``{figure}-{dataset}.png``.
    """

    def ladder(module: Any, name: str) -> Callable[[Path | str], None]:
        def draw(path: Path | str) -> None:
            scores, models = _scores(files.scores, dataset, name), tables.read(files.models)
            module.draw(scores, models, dataset, evaluations, settings, path)

        return draw

    figures: dict[str, Callable[[Path | str], None]] = {
        "decision": lambda path: decision.draw(
            tables.read(files.validity),
            tables.read(files.statistics),
            dataset,
            evaluations,
            settings,
            path,
        ),
        "sham": lambda path: sham.draw(
            tables.read(files.statistics), dataset, evaluations, settings, path
        ),
        "dose_response": ladder(dose_response, "dose_response"),
        "damage_ladder": ladder(damage_ladder, "damage_ladder"),
        "multiverse": lambda path: multiverse.draw(
            tables.read(files.multiverse), dataset, evaluations, settings, path
        ),
    }
    for path in paths:
        figures[Path(path).name.removesuffix(f"-{dataset}.png")](path)


def _scores(path: Path | str, dataset: str, metric: str) -> pa.Table:
    """Return a data set's scores of one metric: the table may be larger than memory."""
    return pq.read_table(path, filters=[("dataset", "=", dataset), ("metric", "=", metric)])
