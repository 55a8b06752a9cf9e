"""A table of texts, its numbers and intervals, and the settings that tables show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from faithcam.results.declared import Evaluations

NONE = "\N{EN DASH}"


@dataclass
class Table:
    """A table of texts: columns of words, then columns of numbers."""

    title: str
    words: list[str]
    numbers: list[str]
    note: str = ""
    folded: bool = False
    rows: list[list[str]] = field(default_factory=list)
    strong: set[int] = field(default_factory=set)

    def add(self, *cells: object, strong: bool = False) -> None:
        """Append a row; ``strong`` rows are printed bold."""
        if strong:
            self.strong.add(len(self.rows))
        self.rows.append([str(cell) for cell in cells])


def number(value: float, digits: int = 3, sign: bool = False) -> str:
    """Return a number in significant digits."""
    if value is None or np.isnan(value):
        return NONE
    text = f"{value:+#.{digits}g}" if sign and value else f"{value:#.{digits}g}"
    return text.rstrip(".").replace("-", "\N{MINUS SIGN}")


def interval(row: "pd.Series[Any]", sign: bool = False) -> str:
    """Return the interval of a row."""
    if np.isnan(row["low"]):
        return NONE
    return f"{number(row['low'], sign=sign)} to {number(row['high'], sign=sign)}"


def shown_settings(
    evaluations: Evaluations, settings: Mapping[str, Any], dataset: str | None = None
) -> list[tuple[str, str, str]]:
    """Return (protocol, metric, setting) of the settings that the tables show."""
    chosen = evaluations.published_by_protocol(settings["plan"]["metrics"], dataset)
    return [
        (protocol, metric, str(setting))
        for protocol, metrics in chosen.items()
        for metric, setting in metrics.items()
    ]
