"""Collecting what cells contribute, and how well that foretells re-rendered images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from faithcam.results import io as tables
from faithcam.truth.parts import agreement
from faithcam.truth.tables import (
    ADMISSION,
    ADMISSION_KEY,
    ADMISSION_PARTS,
    ADMISSION_PARTS_KEY,
    TRUTH,
    TRUTH_KEY,
)


def contributions(files: Sequence[str]) -> pa.Table:
    """Return what the cells of all shards' images contribute, sorted (``TRUTH``)."""
    parts = [TRUTH.empty_table(), *map(tables.read_of_network, files)]
    return tables.concatenate(parts, TRUTH, TRUTH_KEY)


def admission(files: Sequence[str]) -> pa.Table:
    """Return how well each estimand foretells what happens without a part (``ADMISSION``).

    Args:
        files: of all shards (``ADMISSION_PARTS``).
    """
    shards = [ADMISSION_PARTS.empty_table(), *map(tables.read_of_network, files)]
    parts = tables.concatenate(shards, ADMISSION_PARTS, ADMISSION_PARTS_KEY)
    groups: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for row in parts.to_pylist():
        key = tuple(row[name] for name in ADMISSION_KEY)
        groups.setdefault(key, []).append((row["contribution"], row["change"]))
    columns: dict[str, list[Any]] = {name: [] for name in ADMISSION.names}
    for key, pairs in groups.items():
        correlation, error = agreement(*np.array(pairs).T)
        numbers = {"parts": len(pairs), "correlation": correlation, "relative_error": error}
        for name, value in (*zip(ADMISSION_KEY, key, strict=True), *numbers.items()):
            columns[name].append(value)
    return tables.concatenate([pa.table(columns, schema=ADMISSION)], ADMISSION, ADMISSION_KEY)
