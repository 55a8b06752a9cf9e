"""Words that sentences and tables share."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from faithcam.statistics.settings import MODEL


def planned_networks(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of all planned networks."""
    return [network(*point) for point in settings["plan"]["networks"]]


def network(dataset: object, architecture: object, head: object, seed: object) -> str:
    """Return a network's name, as in the paths of results/models."""
    return f"{dataset}/{architecture}-{head}/seed{seed}"


def named_rows(table: pa.Table) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of a table, each with the name of its network."""
    return [(network(*(row[name] for name in MODEL)), row) for row in table.to_pylist()]


def lean(row: "pd.Series[Any]", sign: int) -> str:
    """Return which map a comparison favours, or why it favours none.

    One of ``hirescam``, ``gradcam``, ``floor``, ``zero`` and ``single``.

    Args:
        row: of ``STATISTICS``.
        sign: 1 if a higher score is better, -1 if a lower one is.
    """
    if row["n"] < 2:
        return "single"
    if row["low"] <= 0 <= row["high"]:
        return "zero"
    if abs(row["estimate"]) <= row["floor"]:
        return "floor"
    return "hirescam" if sign * row["estimate"] > 0 else "gradcam"


def listed(names: list[str]) -> str:
    """Return names as in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def some(names: list[str], most: int = 4) -> str:
    """Return the first names, and how many there are more."""
    rest = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
