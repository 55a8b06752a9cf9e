"""The data set that a figure shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.figures.network_means import over_units, unit_columns
from faithcam.figures.style import percent
from faithcam.results.declared import Evaluations
from faithcam.statistics.settings import where


@dataclass(frozen=True)
class Subject:
    """The data set that a figure shows, its evaluations and settings.

    Args:
        dataset: name of the data set.
        evaluations: all that were declared.
        settings: ``datasets``, ``methods``, ``metrics`` and ``statistics`` of the config, and
            ``data`` (:func:`faithcam.experiment.datasets.specs`), as far as a figure needs them.
    """

    dataset: str
    evaluations: Evaluations
    settings: Mapping[str, Any]

    def rows(self, table: pa.Table, **wanted: object) -> pd.DataFrame:
        """Return the data set's rows of a table, those whose columns have these values."""
        return where(table.to_pandas(), dataset=self.dataset, **wanted)

    def title(self, metric: str) -> str:
        """Return a metric's name in texts."""
        return self.evaluations.title(metric)

    def over_units(
        self, rows: pd.DataFrame, by: Sequence[str], columns: Sequence[str]
    ) -> pd.DataFrame:
        """Return means over the units of the data set, see :func:`network_means.over_units`."""
        return over_units(rows, by, columns, self.unit, self.confidence)

    @property
    def confidence(self) -> float:
        """Level of the intervals."""
        return float(self.settings["statistics"]["confidence"])

    @property
    def level(self) -> str:
        """Level of the intervals in percent."""
        return percent(self.confidence)

    @property
    def unit(self) -> list[str]:
        """Columns that name a unit of inference."""
        return unit_columns(nested=self.settings["data"][self.dataset]["nested"])

    def published_by_protocol(self) -> dict[str, dict[str, Setting]]:
        """Return the primary settings of the published metrics, by protocol."""
        return self.evaluations.published_by_protocol(self.settings["metrics"], self.dataset)
