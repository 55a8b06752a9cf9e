"""Tables are typed, sorted, the same bytes every time, and never half-written."""

import pyarrow as pa
import pytest

from faithcam.core import sharding
from faithcam.core.errors import FaithcamError
from faithcam.models.tables import HISTORY as SCHEMA
from faithcam.results import files
from faithcam.results import io as tables

HISTORY = {
    "epoch": [0, 1],
    "train_loss": [1.0, 0.5],
    "val_loss": [1.0, 0.7],
    "val_balanced_accuracy": [0.5, 0.8],
    "best": [False, True],
}


def test_same_rows_same_bytes(tmp_path):
    for name in ("a", "b"):
        tables.write(tmp_path / name, HISTORY, SCHEMA)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert tables.read(tmp_path / "a").to_pydict() == HISTORY


def test_a_missing_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="columns"):
        tables.write(tmp_path / "a", {"epoch": [1]}, SCHEMA)
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_truncated_file_is_an_error_that_says_what_to_do(tmp_path):
    path = tmp_path / "a.parquet"
    tables.write(path, HISTORY, SCHEMA)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        FaithcamError, match=r"changed or damaged .* delete \S*a\.parquet and run again"
    ):
        tables.read(path)


def test_order_of_parts_does_not_matter_and_twins_are_refused():
    parts = [pa.table({k: v[i : i + 1] for k, v in HISTORY.items()}, schema=SCHEMA) for i in (0, 1)]
    one = tables.concatenate(parts, SCHEMA, ["epoch"])
    assert one == tables.concatenate(parts[::-1], SCHEMA, ["epoch"])
    with pytest.raises(ValueError, match=r"two rows for \{.epoch.: 0\}"):
        tables.concatenate([*parts, parts[0]], SCHEMA, ["epoch"])


def test_shards_cover_all_images_once():
    assert sharding.shards(10, 4) == ["0-4", "4-8", "8-10"]
    assert sharding.bounds("4-8") == (4, 8)


@pytest.mark.parametrize("shard_size", [4, 8, 12])
def test_micro_batches_do_not_depend_on_shards(shard_size):
    actual = [
        batch
        for shard in sharding.shards(10, shard_size)
        for batch in sharding.micro_batches(*sharding.bounds(shard), 4)
    ]
    assert [(b.start, b.stop, b.padding) for b in actual] == [(0, 4, 0), (4, 8, 0), (8, 10, 2)]


def test_a_shard_must_start_at_a_micro_batch():
    with pytest.raises(ValueError, match="no multiple of 4"):
        list(sharding.micro_batches(6, 10, 4))
