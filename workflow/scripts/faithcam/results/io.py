"""Result tables: whole when they are written, checked when they are read.

A table's schema stands in the room that writes it, ``tables.py``, with the meaning of each column.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.results import files

TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
HEADS = "flatten, gap or other"


def schema(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    """Return a schema of columns: name, type and meaning of each."""
    return pa.schema(
        [pa.field(name, kind, metadata={"meaning": text}) for name, kind, text in columns]
    )


NETWORK = (
    ("dataset", TEXT, "name of the data set, a key of dataset_definitions"),
    ("architecture", TEXT, "name of the network"),
    ("head", TEXT, HEADS),
    ("seed", WHOLE, "training seed"),
)
IDENTITY = tuple(name for name, *_ in NETWORK)
EVALUATION = (
    ("protocol", TEXT, "thesis (as published) or strict"),
    ("metric", TEXT, "name of the metric, as in the config"),
    ("setting", TEXT, "sorted key=value pairs joined by ';': what else fixes the number"),
)


def write(
    path: Path | str, columns: Mapping[str, Sequence[Any]] | pa.Table, schema: pa.Schema
) -> None:
    """Write a table; the same rows give the same bytes.

    Raises:
        ValueError: if the columns are not exactly the schema's.
    """
    names = columns.column_names if isinstance(columns, pa.Table) else list(columns)
    if set(names) != set(schema.names):
        raise ValueError(f"{path}: columns {sorted(names)} are not {sorted(schema.names)}")
    if isinstance(columns, pa.Table):
        table = columns.select(schema.names).cast(schema)
    else:
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
    with files.recorded(path) as temporary:
        pq.write_table(table.combine_chunks(), temporary, compression="zstd")


def read(
    path: Path | str,
    dictionary: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    filters: pc.Expression | None = None,
) -> pa.Table:
    """Read one Parquet file.

    Args:
        path: of the file.
        dictionary: text columns to be dictionary-encoded.
        columns: to be read; None means all.
        filters: the rows to be read; None means all.

    Raises:
        FaithcamError: if the file is missing, not what was written, or not Parquet.
    """
    files.verified(path)
    try:
        return pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            filters=filters,
            read_dictionary=list(dictionary),
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise FaithcamError(
            f"{path}: cannot be read as Parquet ({error}); {files.remedy(path)}"
        ) from error


def read_of_network(path: Path | str, filters: pc.Expression | None = None) -> pa.Table:
    """Read a file of one network, which its folder names: ``DATASET/MODEL/seedN``.

    Args:
        path: of the file.
        filters: the rows to be read; None means all.

    Raises:
        FaithcamError: see :func:`read`; if its rows are of another network.
    """
    table = read(path, filters=filters)
    folder = Path(path).parent.as_posix()
    if "/seed" in folder:
        for row in table.select(IDENTITY).group_by(IDENTITY).aggregate([]).to_pylist():
            network = Identity(**row)
            if f"/{network.dataset}/{network.model}/" not in f"/{folder}/":
                raise FaithcamError(
                    f"{path}: rows of {network.dataset}/{network.model} found, expected those of "
                    f"the network that its folder names; {files.remedy(path)}"
                )
    return table


def concatenate(tables: Iterable[pa.Table], schema: pa.Schema, order: Sequence[str]) -> pa.Table:
    """Concatenate tables and sort the rows by ``order``.

    Raises:
        ValueError: if two rows agree in all columns of ``order``.
    """
    table = pa.concat_tables([t.select(schema.names).cast(schema) for t in tables])
    table = table.sort_by([(name, "ascending") for name in order])
    if len(table) > 1:
        previous, following = table.slice(0, len(table) - 1), table.slice(1)
        same = None
        for name in order:
            equal = pc.equal(previous[name], following[name])
            same = equal if same is None else pc.and_(same, equal)
        if pc.any(same).as_py():
            row = table.slice(pc.index(same, True).as_py(), 1).to_pylist()[0]
            raise ValueError(f"two rows for { ({name: row[name] for name in order}) }")
    return table


class Collector:
    """Rows gathered bit by bit; many of them are kept as Arrow, which takes little memory.

    Args:
        schema: of the table.
        order: columns to sort by; together they name a row.
    """

    def __init__(self, schema: pa.Schema, order: Sequence[str]) -> None:
        self.schema, self._order = schema, order
        self._columns: dict[str, list[object]] = {name: [] for name in schema.names}
        self._parts: list[pa.Table] = []

    def add(self, count: int, columns: Mapping[str, object]) -> None:
        """Add ``count`` rows: a list has an entry for each, anything else is the same for all."""
        for name, entries in self._columns.items():
            value = columns[name]
            entries += value if isinstance(value, list) else [value] * count
        if len(entries) >= 1000:
            self._flush()

    def _flush(self) -> None:
        self._parts.append(pa.table(self._columns, schema=self.schema))
        self._columns = {name: [] for name in self._columns}

    def table(self) -> pa.Table:
        """Return all rows, sorted.

        Raises:
            ValueError: if two rows have the same name.
        """
        self._flush()
        return concatenate(self._parts, self.schema, self._order)
