"""A CSV of images: path, label[, split, group, mask]."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from faithcam.core.errors import FaithcamError
from faithcam.data.dataset import SPLITS
from faithcam.data.items import Item, listed, printable
from faithcam.data.sources.image_files import UNREAD
from faithcam.data.sources.listing import Listing

COLUMNS = ("path", "label", "split", "group", "mask")
EXPECTED = "the columns path, label[, split, group, mask]"


def read(path: Path) -> Listing:
    """Return the images of a CSV (UTF-8); further columns and empty lines do not count.

    Paths are relative to the CSV; a mask or group can be empty, a split is train, val or test.
    Spaces around cells do not count, nor do capitals in the names of the columns.

    Raises:
        FaithcamError: if it is no such CSV; a row's problems are the listing's.
    """
    columns, lines = opened(path)
    if twice := [name for name in COLUMNS if columns.count(name) > 1]:
        raise FaithcamError(f"{path}: columns {twice} are there twice; expected each once")
    items, problems = [], []
    for number, cells in lines:
        cell = dict.fromkeys(COLUMNS, "") | dict(zip(columns, cells, strict=False))
        wrong = _problems(path.parent, cell, columns, cells)
        problems += [f"line {number}: {problem}" for problem in wrong]
        masks = (_file(path.parent, cell["mask"]),) if cell["mask"] else ()
        name = printable(cell["path"])
        items.append(
            Item(
                _file(path.parent, cell["path"]), name, printable(cell["label"]),
                printable(cell["group"]) or name, cell["split"], masks,
            )
        )  # fmt: skip
    if not items:
        problems.append("no rows below the header")
    return Listing(path, items, [listed(problems)] if problems else [])


def opened(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the names of a CSV's columns in small letters, and its rows with their lines.

    Raises:
        FaithcamError: if it is no CSV with the columns path and label.
    """
    lines = _lines(path)
    _, header = next(lines, (1, []))
    columns = [name.casefold() for name in header]
    if missing := [name for name in ("label", "path") if name not in columns]:
        raise FaithcamError(
            f"{path}: columns {missing} are missing, found {header}; expected path, "
            "label[, split, group, mask], separated by commas"
        )
    return columns, lines


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the number of the line that it begins in."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # with line breaks as they are
            text = file.read()
        if "\0" in text:
            line = len(text[: text.index("\0")].splitlines())
            raise ValueError(f"line {line} holds a NUL character, as another encoding gives")
    except (OSError, ValueError) as error:
        raise FaithcamError(
            f"{path}: cannot be read ({error}); expected a folder of class folders, or a CSV in "
            f"UTF-8 with {EXPECTED}: save it so"
        ) from error
    # with a line break at the end, a quote that is not closed is always in a cell with one
    reader = csv.reader(io.StringIO(f"{text}\n", newline=""), skipinitialspace=True)
    number = 1
    try:
        for row in reader:
            if any("\n" in cell or "\r" in cell for cell in row):
                raise csv.Error(f"the cell goes on to line {reader.line_num}")
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield number, cells
            number += 1
    except csv.Error as error:
        raise FaithcamError(
            f'{path}: line {number}: a quote (") is not closed in its line ({error}); expected '
            "every row in one line: close it, or take line breaks out of the cells"
        ) from error


def _problems(
    folder: Path, cell: Mapping[str, str], columns: Sequence[str], cells: Sequence[str]
) -> Iterator[str]:
    """Yield what is wrong in a row."""
    if any(cells[len(columns) :]):
        yield (
            f"{len(cells)} cells found, expected {len(columns)}: put what holds a comma between "
            "quotes"
        )
    if not cell["path"] or not cell["label"]:
        yield "path or label is empty"
    elif "split" in columns and cell["split"] not in SPLITS:
        yield f"split {cell['split']!r}, expected train, val or test"
    for named in filter(None, (cell["path"], cell["mask"])):
        if not os.path.isfile(_file(folder, named)):
            yield f"no such file {named}"
        elif named.lower().endswith(tuple(UNREAD)):
            yield f"{named}: an image format that is not read; convert it to PNG"


def _file(folder: Path, named: str) -> Path:
    """Return the file of a name; an accent may be written in another way than on the disk."""
    forms = (folder / form for form in (named, normalize("NFC", named), normalize("NFD", named)))
    return next((file for file in forms if os.path.isfile(file)), folder / named)
