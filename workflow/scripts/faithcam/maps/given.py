"""Files of maps that were made elsewhere: where they lie, and what is wrong with them.

A folder has a file for each network, ``DATASET/ARCHITECTURE-HEAD/seedN.npz`` or ``.parquet``. An
npz holds ``image_ids`` (n,), ``maps`` (n, h, w), of volumes (n, s, h, w), and, if you like,
``classes`` (n,), the class that each map explains. A Parquet file has the columns ``image_id``,
``height``, ``width``, of volumes ``slices``, ``map`` (a list, row by row) and, if you like,
``class``. Nothing here imports torch.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from faithcam.core.errors import DAMAGED, FaithcamError, reason

SUFFIXES = (".npz", ".parquet")
IDS, CLASSES, MAPS = ARRAYS = ("image_ids", "classes", "maps")
COLUMNS = {IDS: "image_id", CLASSES: "class", MAPS: "map"}  # the same in Parquet
MOST = 10_000_000  # maps in a file, whatever the experiment
SIDES = ("slices", "height", "width")
WAYS = (  # of reading an npz array's header
    np.lib.format.read_array_header_1_0,
    np.lib.format.read_array_header_2_0,
)

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Grids:
    """The shapes that a map of a network can have.

    Args:
        cells: one number per cell of the network's last activations: (h, w), of volumes (s, h, w).
        pixels: one per pixel.
    """

    cells: Shape
    pixels: Shape

    def __str__(self) -> str:
        return f"{self.cells} (cells) or {self.pixels} (pixels)"


@dataclass(frozen=True)
class MapFile:
    """The content of a file.

    Args:
        image_ids: of the maps, (n,) int64.
        classes: that they explain, (n,) int64; None if the file does not say.
        maps: (n, h, w), of volumes (n, s, h, w), numbers of any type.
    """

    image_ids: Array
    classes: Array | None
    maps: Array


def file_of(folder: Path | str, network: str) -> Path:
    """Return the file of a network's maps.

    Args:
        folder: of the config.
        network: DATASET/ARCHITECTURE-HEAD/seedN.

    Raises:
        FaithcamError: if there is none, or there are two.
    """
    paths = [Path(folder) / f"{network}{suffix}" for suffix in SUFFIXES]
    there = [path for path in paths if path.is_file()]
    if len(there) == 1:
        return there[0]
    found = "no such file" if not there else f"{there[1].name} found beside it"
    raise FaithcamError(f"{paths[0]}: {found}, expected maps of {network} there, or as .parquet")


def check(path: Path, grids: Grids, most: int = MOST) -> None:
    """Look at what a file says of its content, without reading the maps.

    Args:
        path: of the file.
        grids: shapes that its maps can have.
        most: number of maps that there can be.

    Raises:
        FaithcamError: if it is damaged, or its maps are of another shape or kind, or too many.
    """
    with _reading(path):
        (_npz_headers if path.suffix == ".npz" else _parquet_columns)(path, grids, most)


def read(path: Path, grids: Grids, most: int) -> MapFile:
    """Read a file.

    Args:
        path: of the file.
        grids: shapes that its maps can have.
        most: number of maps that there can be: more are not read, however small the file is.

    Raises:
        FaithcamError: see :func:`check`; if an image and class is there twice.
    """
    with _reading(path):
        found = (_from_npz if path.suffix == ".npz" else _from_parquet)(path, grids, most)
    names = [found[name].astype(np.int64) for name in (IDS, CLASSES) if name in found]
    rows, counts = np.unique(np.stack(names, 1), axis=0, return_counts=True)
    if (twice := rows[counts > 1]).size:
        of = dict(zip(("image", "class"), twice[0].tolist(), strict=False))
        named = ", ".join(f"{what} {number}" for what, number in of.items())
        raise FaithcamError(
            f"{path}: {counts.max()} maps of {named} found, expected one; if each is of another "
            f"class, say so in {CLASSES if path.suffix == '.npz' else COLUMNS[CLASSES]}"
        )
    return MapFile(names[0], names[1] if len(names) > 1 else None, found[MAPS])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what a broken file raises into one clear error."""
    try:
        yield
    except DAMAGED as error:
        how = "numpy.savez" if path.suffix == ".npz" else "your Parquet library"
        raise FaithcamError(
            f"{path}: cannot be read as {path.suffix[1:]} of plain numbers ({reason(error)}); "
            f"write it again with {how}"
        ) from None


def _check_names(path: Path, found: Sequence[str], needed: Sequence[str], spare: str) -> None:
    known = [*needed, spare]
    if sorted(set(found)) != sorted(found) or set(needed) - {*found} or {*found} - {*known}:
        raise FaithcamError(
            f"{path}: {', '.join(sorted(found)) or 'nothing'} found, expected "
            f"{', '.join(needed)} and, if the file says which class is explained, {spare}"
        )


def _check_shape(path: Path, shape: Shape, grids: Grids) -> None:
    if shape not in (grids.cells, grids.pixels):
        raise FaithcamError(f"{path}: maps of shape {shape} found, expected {grids}")


def _check_count(path: Path, count: int, most: int) -> None:
    if not 0 < count <= most:
        raise FaithcamError(
            f"{path}: {count} maps found, expected 1 to {most}, one of an image and class"
        )


# --- npz ------------------------------------------------------------------------------------------


@contextmanager
def _members(path: Path) -> Iterator[Mapping[str, IO[bytes]]]:
    """Open the arrays of an npz without reading them."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        _check_names(path, names, [IDS, MAPS], CLASSES)
        with ExitStack() as stack:
            yield {name: stack.enter_context(archive.open(f"{name}.npy")) for name in names}


def _header(file: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    shape, _, dtype = WAYS[major > 1](file)
    return shape, dtype


def _npz_headers(path: Path, grids: Grids, most: int) -> None:
    with _members(path) as files:
        said = {name: _header(file) for name, file in files.items()}
    for name, (shape, dtype) in said.items():
        kinds, what = ("fiu", "numbers") if name == MAPS else ("iu", "whole numbers")
        if dtype.hasobject or dtype.kind not in kinds:
            kind = "pickled objects" if dtype.hasobject else str(dtype)
            raise FaithcamError(f"{path}: {name} is of {kind}, expected {what}")
        if name != MAPS and len(shape) != 1:
            raise FaithcamError(f"{path}: {name} {shape} found, expected one number per map, (n,)")
    counts = {name: shape[0] if shape else 0 for name, (shape, _) in said.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} {said[name][0]}" for name in ARRAYS if name in said)
        raise FaithcamError(f"{path}: {found} found, expected as many of each")
    _check_shape(path, said[MAPS][0][1:], grids)
    _check_count(path, counts[MAPS], most)


def _from_npz(path: Path, grids: Grids, most: int) -> dict[str, Array]:
    _npz_headers(path, grids, most)
    arrays: dict[str, Array] = {}
    with _members(path) as files:
        for name, file in files.items():
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError(f"{name} is longer than its header says")
    return arrays


# --- Parquet --------------------------------------------------------------------------------------


def _parquet_columns(path: Path, grids: Grids, most: int) -> Shape:
    """Check types and shapes; return the shape of a map."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sides = [*SIDES[-len(grids.cells) :]]
    column = COLUMNS[MAPS]
    with pq.ParquetFile(path) as file:
        schema, facts = file.schema_arrow, file.metadata
        _check_names(path, schema.names, [COLUMNS[IDS], *sides, column], COLUMNS[CLASSES])
        for field in schema:
            kind, what = field.type, "whole numbers"
            if field.name == column:
                is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
                kind, what = kind.value_type if is_list else pa.null(), "lists of numbers"
            real = field.name == column and pa.types.is_floating(kind)
            if not (real or pa.types.is_integer(kind)):
                raise FaithcamError(
                    f"{path}: column {field.name} is of {field.type}, expected {what}"
                )
        _check_count(path, facts.num_rows, most)
        shapes = file.read(sides).group_by(sides).aggregate([]).to_pylist()
        if len(shapes) != 1:
            raise FaithcamError(f"{path}: maps of {len(shapes)} shapes found, expected one")
        shape = tuple(shapes[0][name] for name in sides)
        _check_shape(path, shape, grids)
        groups = [facts.row_group(group) for group in range(facts.num_row_groups)]
        numbers = sum(g.column(schema.names.index(column)).num_values for g in groups)
    if numbers != facts.num_rows * math.prod(shape):
        raise FaithcamError(
            f"{path}: {numbers} numbers in column {column} found, expected {facts.num_rows} maps "
            f"of {math.prod(shape)}, {shape}"
        )
    return shape


def _from_parquet(path: Path, grids: Grids, most: int) -> dict[str, Array]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    shape = _parquet_columns(path, grids, most)
    with pq.ParquetFile(path) as file:
        table = file.read()
    found = {}
    for name, column in COLUMNS.items():
        if column not in table.column_names:
            continue
        values = table[column].combine_chunks()
        if not values.null_count and name == MAPS:
            lengths = pc.list_value_length(values).to_numpy()
            if (wrong := np.flatnonzero(lengths != math.prod(shape))).size:
                image = table[COLUMNS[IDS]][int(wrong[0])].as_py()
                raise FaithcamError(
                    f"{path}: {lengths[wrong[0]]} numbers found for image {image}, expected "
                    f"{math.prod(shape)}, {shape}"
                )
            values = values.flatten()
        if values.null_count:
            raise FaithcamError(f"{path}: empty cells in column {column} found, expected numbers")
        found[name] = values.to_numpy(zero_copy_only=False)
    return {**found, MAPS: found[MAPS].reshape(-1, *shape)}
