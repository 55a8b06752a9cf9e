"""A table of texts, its numbers and intervals, and the settings that tables show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from faithcam.results.declared import Evaluations

NONE = "\N{EN DASH}"
DUST = 1e-9  # of sums that should be 0


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
    grey: set[tuple[int, int]] = field(default_factory=set)

    def add(self, *cells: object, strong: bool = False, faint: bool = False) -> None:
        """Append a row; ``strong`` rows are printed bold, ``faint`` ones grey."""
        if strong:
            self.strong.add(len(self.rows))
        if faint:
            self.grey |= {(len(self.rows), column) for column in range(len(cells))}
        self.rows.append([str(cell) for cell in cells])


def number(value: float, digits: int = 3, sign: bool = False) -> str:
    """Return a number in significant digits."""
    if value is None or np.isnan(value):
        return NONE
    if not value:
        return "0"
    text = f"{value:+#.{digits}g}" if sign else f"{value:#.{digits}g}"
    return text.rstrip(".").replace("-", "\N{MINUS SIGN}")


def decimals(value: float, digits: int = 2, sign: bool = False) -> str:
    """Return a number with so many decimals, a smaller one with one digit; exactly zero is 0."""
    if value is None or np.isnan(value):
        return NONE
    if not value:
        return "0"
    if abs(value) < DUST:
        return f"{0:.{digits}f}"
    while not round(value, digits):
        digits += 1
    return f"{value:{'+' * sign}.{digits}f}".replace("-", "\N{MINUS SIGN}")


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


def oriented(row: "pd.Series[Any]", sign: int) -> "pd.Series[Any]":
    """Return a row of a difference whose positive numbers are better for the first map.

    Args:
        row: of ``STATISTICS``, a difference of two maps.
        sign: 1 if a higher score is better, -1 if a lower one is.
    """
    if sign > 0:
        return row
    changed = row.copy()
    changed["estimate"], changed["effect"] = -row["estimate"], -row["effect"]
    changed["low"], changed["high"] = -row["high"], -row["low"]
    return changed


def plain(table: Table, width: int = 100) -> list[str]:
    """Return a table as lines of ASCII: words to the left, numbers to the right.

    Args:
        table: what to print, without title and note.
        width: of a line at most; longer words are cut.
    """
    rows = [
        [ascii_text(cell) for cell in row] for row in [[*table.words, *table.numbers], *table.rows]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = len(table.words)
    lines = []
    for row in rows:
        cells = [
            cell.ljust(size) if place < left else cell.rjust(size)
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip()[:width])
    return lines


def ascii_text(text: str) -> str:
    """Return a cell's text in ASCII."""
    return text.replace("\N{MINUS SIGN}", "-").replace(NONE, "-")
