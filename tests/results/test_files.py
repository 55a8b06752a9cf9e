"""What a run reads is what it wrote: every change of a file is an error that names it."""

import json
import shutil

import pyarrow as pa
import pytest
from put import put

from faithcam.core.errors import FaithcamError
from faithcam.results import files
from faithcam.results import io as tables

SCHEMA = pa.schema([("epoch", pa.int64()), ("loss", pa.float64())])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a.parquet"
    tables.write(path, {"epoch": [0, 1, 2], "loss": [0.3, 0.2, 0.1]}, SCHEMA)
    return path


def test_every_flipped_bit_of_a_table_is_an_error_that_names_it(table):
    content = table.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        table.write_bytes(flipped)
        with pytest.raises(FaithcamError, match=r"a\.parquet: changed or damaged since the run"):
            tables.read(table)
    table.write_bytes(content)
    assert tables.read(table)["loss"].to_pylist() == [0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda record: record.unlink(), "is not there"),
        (lambda record: record.write_text(""), "cannot be read"),
        (lambda record: record.write_bytes(b"\xff"), "cannot be read"),
        (lambda record: record.write_text("[]"), "cannot be read"),
        (lambda record: record.write_text('{"sha256": "1", "versions": {}}'), "is damaged"),
        (
            lambda record: record.write_text(record.read_text().replace('"torch"', '"numpy"')),
            "is d",
        ),
        (lambda record: record.write_text('{"seal": null}'), "is damaged"),
        (lambda record: record.write_text("[" * 100_000), "cannot be read"),
    ],
)
def test_a_file_without_a_whole_record_is_an_error(table, damage, problem, monkeypatch):
    damage(files.record_path(table))
    with pytest.raises(FaithcamError, match=rf"a\.parquet: \.a\.parquet\.record .*{problem}"):
        tables.read(table)
    monkeypatch.setenv(files.NOT_KEPT, "1")
    assert len(tables.read(table)) == 3
    assert not files.record_path(put(table.with_name("b.json"), "{}")).exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FaithcamError, match=r"gone\.json: cannot be read \(No such file"):
        files.read_json(tmp_path / "gone.json")
    with pytest.raises(FaithcamError, match=r"bad\.json: cannot be read as JSON"):
        files.read_json(put(tmp_path / "bad.json", "{"))
    with pytest.raises(FaithcamError, match="a folder found, expected a file of this run; move"):
        files.read_json(tmp_path)


def test_removing_a_file_takes_its_record_along(table):
    files.remove(table)
    assert not list(table.parent.iterdir())
    files.remove(table)


def test_a_record_names_all_versions_that_a_file_was_made_with(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_versions", {})
    monkeypatch.setattr(files, "_checked", {})
    monkeypatch.setattr(files.versions, "here", lambda: {"torch": "2"})
    old = put(tmp_path / "old.json", "1")
    monkeypatch.setattr(files, "_versions", {})
    monkeypatch.setattr(files.versions, "here", lambda: {"torch": "3", "numpy": "1"})
    assert files.record_of(put(tmp_path / "new.json", "2"))["versions"] == {
        "numpy": ["1"], "torch": ["3"],
    }  # fmt: skip
    assert files.read_json(old) == 1
    record = json.loads(files.record_path(put(tmp_path / "sum.json", "3")).read_text())
    assert record["versions"] == {"numpy": ["1"], "torch": ["2", "3"]}


def test_rows_of_another_network_are_refused(tmp_path):
    schema = tables.schema(*tables.NETWORK)
    network = {"dataset": ["x"], "architecture": ["vgg_small"], "head": ["gap"], "seed": [1]}
    path = tmp_path / "maps" / "x" / "vgg_small-gap" / "seed1" / "0-2.parquet"
    tables.write(path, network, schema)
    assert len(tables.read_of_network(path)) == 1
    for other in ("x/vgg_small-gap/seed11", "x/vgg_small-flatten/seed1", "y/vgg_small-gap/seed1"):
        copy = tmp_path / "maps" / other / "0-2.parquet"
        copy.parent.mkdir(parents=True)
        for file in (files.record_path, type(path)):
            shutil.copy(file(path), file(copy))
        with pytest.raises(FaithcamError, match="rows of x/vgg_small-gap/seed1 found"):
            tables.read_of_network(copy)
