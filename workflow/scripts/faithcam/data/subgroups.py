"""Columns of the user's CSV by whose values results are shown: no part of the images."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from faithcam.core.errors import FaithcamError
from faithcam.data.items import printable
from faithcam.data.sources.image_table import COLUMNS, opened
from faithcam.data.tables import SUBGROUPS_OF_IMAGES

NOT_GIVEN = "not given"
MOST = 20  # values of a column
RESERVED = ("class", *COLUMNS)  # results are by class anyway
Groups = Mapping[str, Mapping[str, str]]


def read(path: Path, columns: Sequence[str]) -> Groups:
    """Return the value of each column, by name of the image.

    Args:
        path: of the CSV.
        columns: of it, whatever their capitals.

    Raises:
        FaithcamError: if it is no CSV, if a column is missing, named or there twice, reserved or
            has more than ``MOST`` values, or if an image has two values.
    """
    if reserved := [name for name in columns if name.casefold() in RESERVED]:
        raise FaithcamError(
            f"subgroups: {reserved} found, expected further columns of the CSV, not one of "
            f"{', '.join(RESERVED)}; results are shown by class anyway"
        )
    if len({name.casefold() for name in columns}) < len(columns):
        raise FaithcamError(f"subgroups: {list(columns)} name a column twice; name each once")
    if os.path.isdir(path):
        raise FaithcamError(
            f"{path}: a folder found, but subgroups {list(columns)} are columns of a CSV; write "
            "one with path, label and these columns, or leave subgroups out"
        )
    header, lines = opened(path)
    if wrong := [name for name in columns if header.count(name.casefold()) != 1]:
        raise FaithcamError(
            f"{path}: columns {wrong}, which subgroups names, are missing or there twice, found "
            f"{header}; expected each once"
        )
    found: dict[str, dict[str, str]] = {}
    for number, cells in lines:
        cell = dict(zip(header, cells, strict=False))
        of = {name: printable(cell.get(name.casefold(), "")) or NOT_GIVEN for name in columns}
        image = printable(cell.get("path", ""))
        if found.setdefault(image, of) != of:
            raise FaithcamError(
                f"{path}: line {number}: {image} is listed with other values of "
                f"{', '.join(columns)} before; expected one of each"
            )
    for name in columns:
        if (values := len({of[name] for of in found.values()})) > MOST:
            raise FaithcamError(
                f"{path}: column {name} has {values} values, expected {MOST} at most for "
                "subgroups: put them into a few groups (ages into decades, say)"
            )
    return found


def fingerprint(groups: Groups) -> str:
    """Return a hash of all values."""
    return hashlib.sha256(json.dumps(groups, sort_keys=True).encode()).hexdigest()


def of_images(definition: Mapping[str, Any], images: pa.Table, expected: str) -> pa.Table:
    """Return the groups that each image of a data set is in.

    Args:
        definition: of the data set, with ``path`` and ``subgroups``.
        images: rows of ``DATA_TABLE``.
        expected: fingerprint of what was found when the run began.

    Returns:
        Rows of ``SUBGROUPS_OF_IMAGES``.

    Raises:
        FaithcamError: see :func:`read`; if the CSV has changed since the run began.
    """
    groups = read(Path(definition["path"]), definition["subgroups"])
    if fingerprint(groups) != expected:
        raise FaithcamError(f"{definition['path']}: changed since the run began; run again")
    rows = [
        {"image_id": image, "column": column, "group": group}
        for image, name in zip(
            images["image_id"].to_pylist(), images["name"].to_pylist(), strict=True
        )
        for column, group in groups[name].items()
    ]
    return pa.Table.from_pylist(rows, SUBGROUPS_OF_IMAGES)
