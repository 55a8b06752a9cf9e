"""The rows of several runs as one table: each network once."""

import io
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.metrics.tables import EVALUATIONS, EVALUATIONS_KEY
from faithcam.results import io as tables
from faithcam.running.merging.source import TABLES, Source

KIND = ("dataset", "architecture", "head")  # of networks: what evaluations are declared of


def owners(sources: Sequence[Source]) -> dict[Identity, Source]:
    """Return which run each network is taken from: the first one that has it, or asks for it.

    Raises:
        FaithcamError: if several have it, and a table's rows of it are not the same in all.
    """
    owner: dict[Identity, Source] = {}
    for source in sources:
        for network in sorted(source.present, key=str):
            known = owner.setdefault(network, source)
            if known is not source:
                _check_same(network, known, source)
    for source in sources:
        for network in source.planned:
            owner.setdefault(network, source)
    return owner


def joined(name: str, sources: Sequence[Source], owner: Mapping[Identity, Source]) -> pa.Table:
    """Return the rows of one of ``TABLES`` of all networks, sorted.

    Args:
        name: of the table.
        sources: the runs.
        owner: see :func:`owners`.
    """
    schema, key = TABLES[name]
    parts = []
    for source in sources:
        others = [each for each in source.planned if owner[each] is not source]
        parts.append(source.table(name, ~_of(others) if others else None))
    try:
        return tables.concatenate(parts, schema, key)
    except ValueError as error:
        folders = ", ".join(str(source.folder) for source in sources)
        raise FaithcamError(
            f"{name} of {folders}: {error}, expected each row once; a run writes no such table: "
            "run again where it was made"
        ) from None


def evaluations(sources: Sequence[Source]) -> pa.Table:
    """Return all declared evaluations, sorted (``EVALUATIONS``).

    Raises:
        FaithcamError: if they are not the same in two runs, of networks that both have.
    """
    found: dict[tuple[str, ...], tuple[Source, pa.Table]] = {}
    for source in sources:
        table = source.evaluations()
        for row in table.select(KIND).group_by(KIND).aggregate([]).to_pylist():
            kind = tuple(row[name] for name in KIND)
            rows = table.filter(_equal(row))
            known, before = found.setdefault(kind, (source, rows))
            if _content(before) != _content(rows):
                raise FaithcamError(
                    f"{source.path('evaluations')}: other evaluations of {'/'.join(kind)} found "
                    f"than in {known.folder}, whose settings are the same; expected runs of the "
                    "same code: run one of them again with the other's"
                )
    parts = [EVALUATIONS.empty_table(), *(table for _, table in found.values())]
    return tables.concatenate(parts, EVALUATIONS, EVALUATIONS_KEY)


def _check_same(network: Identity, first: Source, second: Source) -> None:
    for name in TABLES:
        a, b = (_content(each.table(name, _of([network]))) for each in (first, second))
        if a != b:
            raise FaithcamError(
                f"{network}: in {first.folder} and in {second.folder}, with other rows of {name}; "
                "expected each network in one of them, or the same in both. Another processor or "
                "library gives other last digits: leave one folder out, or run other seeds there"
            )


def _of(networks: Sequence[Identity]) -> Any:
    """Return the filter of some networks' rows."""
    return reduce(lambda a, b: a | b, (_equal(vars(network)) for network in networks))


def _equal(row: Mapping[str, Any]) -> Any:
    return reduce(lambda a, b: a & b, (pc.field(name) == value for name, value in row.items()))


def _content(table: pa.Table) -> bytes:
    """Return a table as bytes: NaN is the same as NaN."""
    content = io.BytesIO()
    pq.write_table(table.combine_chunks(), content)
    return content.getvalue()
