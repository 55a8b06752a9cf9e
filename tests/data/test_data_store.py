"""Prepared data on disk: whole or not there, leaks, the choice of images."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from faithcam.core.errors import FaithcamError
from faithcam.data import prepare, selection, store
from faithcam.data.arrays import StoredArray
from faithcam.data.dataset import Dataset, open_dataset, to_tensor
from faithcam.data.store import Row, Source
from faithcam.results import io as tables

ROWS = [
    Row("train", 0, "a", "one"),
    Row("train", 1, "b", "two"),
    Row("val", 0, "c", "three"),
    Row("test", 1, "d", "four"),
    Row("test", 0, "e", "five"),
]
PIXELS = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)
MASKS = np.zeros((5, 4, 4), np.uint8)
MASKS[1, 2, 3] = 1


def source(pixels=PIXELS, rows=ROWS, step=2):
    chunks = ((pixels[i : i + step], MASKS[i : i + step]) for i in range(0, len(pixels), step))
    return Source(("x", "y"), 4, 3, rows, chunks)


def test_what_is_written_is_read(tmp_path):
    manifest = store.write("name", "folder", source(), tmp_path)
    dataset = open_dataset(tmp_path)
    assert (dataset.name, dataset.classes, dataset.size, dataset.channels) == (
        "name", ("x", "y"), 4, 3,
    )  # fmt: skip
    assert isinstance(dataset.images, StoredArray)
    assert np.array_equal(dataset.images, PIXELS)
    assert np.array_equal(dataset.masks, MASKS)
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0]
    assert dataset.split("test").tolist() == [3, 4]
    assert manifest["splits"]["test"] == {"images": 2, "per_class": [1, 1]}
    table = tables.read(tmp_path / "table.parquet")
    assert table["name"].to_pylist() == [row.name for row in ROWS]
    assert table["has_mask"].to_pylist() == [False, True, False, False, False]
    first = hashlib.sha256(PIXELS[0].tobytes()).hexdigest()
    assert table["pixels_sha256"][0].as_py() == first


def test_the_manifest_holds_the_sha256_of_each_part(tmp_path):
    store.write("name", "folder", source(), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert set(manifest["parts"]) == {"images.npy", "masks.npy", "table.parquet"}
    for part, digest in manifest["parts"].items():
        assert hashlib.sha256((tmp_path / part).read_bytes()).hexdigest() == digest


def test_chunk_size_changes_no_byte(tmp_path):
    one = store.write("name", "folder", source(step=1), tmp_path / "a")
    two = store.write("name", "folder", source(step=5), tmp_path / "b")
    assert one == two


def test_an_error_on_the_way_leaves_no_whole_data_set(tmp_path):
    store.write("name", "folder", source(), tmp_path)
    (tmp_path / ".images.npy.abc.part").write_bytes(b"left by a killed run")

    def broken():
        yield PIXELS[:2], MASKS[:2]
        raise FaithcamError("broken file")

    with pytest.raises(FaithcamError, match="broken file"):
        store.write("name", "folder", replace(source(), chunks=broken()), tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    assert not list(tmp_path.glob(".*.part"))
    with pytest.raises(FaithcamError, match=r"manifest\.json: cannot be read"):
        open_dataset(tmp_path)


def test_too_few_or_other_pixels_are_a_bug(tmp_path):
    with pytest.raises(ValueError, match="4 rows came, 5 were announced"):
        store.write("name", "folder", source(PIXELS[:4]), tmp_path)
    with pytest.raises(ValueError, match="does not fit"):
        store.write("name", "folder", source(PIXELS[:, :3]), tmp_path)
    with pytest.raises(ValueError, match="does not fit"):
        store.write("name", "folder", source(PIXELS.astype(float)), tmp_path)


@pytest.mark.parametrize("part", ["images.npy", "masks.npy", "table.parquet", "manifest.json"])
def test_a_missing_or_truncated_part_is_an_error(tmp_path, part):
    store.write("name", "folder", source(), tmp_path)
    content = (tmp_path / part).read_bytes()
    (tmp_path / part).write_bytes(content[: len(content) - 10])
    with pytest.raises(FaithcamError, match=str(tmp_path)):
        open_dataset(tmp_path)
    (tmp_path / part).unlink()
    with pytest.raises(FaithcamError, match=str(tmp_path)):
        open_dataset(tmp_path)


def test_identical_pixels_are_leaks_across_splits_and_classes(tmp_path, capsys):
    pixels = PIXELS.copy()
    pixels[1] = pixels[0]  # both train, other label
    pixels[3] = pixels[0]  # test = train, other label
    pixels[4] = pixels[2]  # test = val, same label
    manifest = store.write("name", "folder", source(pixels), tmp_path)
    assert manifest["leaks"] == [
        {
            "a": "one", "a_split": "train", "a_label": 0,
            "b": "two", "b_split": "train", "b_label": 1,
        },
        {
            "a": "one", "a_split": "train", "a_label": 0,
            "b": "four", "b_split": "test", "b_label": 1,
        },
        {
            "a": "three", "a_split": "val", "a_label": 0,
            "b": "five", "b_split": "test", "b_label": 0,
        },
    ]  # fmt: skip
    prepare._report(manifest)
    said = capsys.readouterr().out
    assert "images with the same pixels in two splits or classes: 3\n" in said
    assert "one in train (x) = two in train (y): contradictory labels" in said
    assert "one in train (x) = four in test (y): contradictory labels" in said
    assert "three in val (x) = five in test (x)\n" in said


def test_identical_pixels_under_two_labels_of_one_split_are_named():
    rows = [
        Row("train", label, "g", name) for label, name in zip((0, 0, 1, 1), "abcd", strict=True)
    ]
    rows += [Row("test", 1, "h", "e"), Row("test", 1, "h", "f")]
    pairs = [(leak["a"], leak["b"]) for leak in store.leaks(rows, ["same"] * 6)]
    assert pairs == [("a", "c"), ("a", "d"), ("a", "e"), ("a", "f")]
    assert store.leaks(rows[:2], ["same"] * 2) == []


def test_tensors_are_three_channels_in_minus_one_to_one():
    images = np.array([0, 255, 51, 204], np.uint8).reshape(1, 2, 2, 1)
    tensor = to_tensor(images)
    assert tuple(tensor.shape) == (1, 3, 2, 2)
    assert tensor[0, 2].flatten().tolist() == pytest.approx([-1, 1, -0.6, 0.6])
    colour = to_tensor(PIXELS)
    assert tuple(colour.shape) == (5, 3, 4, 4)
    assert colour[1, 2, 3, 0].item() == pytest.approx(PIXELS[1, 3, 0, 2] / 127.5 - 1)


def dataset(sizes, name="d"):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.concatenate([[0, 1], labels])
    splits = np.array(["train"] * 2 + ["test"] * sum(sizes))
    ids = np.arange(len(labels))
    classes = tuple(str(i) for i in range(len(sizes)))
    return Dataset(name, classes, 4, 1, ids, ids, ids, labels, splits)


@pytest.mark.parametrize(
    ("sizes", "count", "quotas"),
    [
        ((100, 100, 100), 48, (16, 16, 16)),
        ((42, 114), 48, (13, 35)),
        ((1, 99), 10, (1, 9)),
        ((5, 5), 10, (5, 5)),
        ((2, 3, 95), 3, (1, 1, 1)),
    ],
)
def test_explained_images_follow_the_class_shares(sizes, count, quotas):
    data = dataset(sizes)
    chosen = selection.explained_images(data, count, 1)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert set(data.splits[chosen]) == {"test"}
    assert tuple(np.bincount(data.labels[chosen])) == quotas


def test_explained_images_grow_and_are_keyed():
    data = dataset((60, 60))
    few, many = selection.explained_images(data, 20, 1), selection.explained_images(data, 40, 1)
    assert set(few.tolist()) < set(many.tolist())
    assert few.tolist() != selection.explained_images(data, 20, 2).tolist()
    assert few.tolist() != selection.explained_images(dataset((60, 60), "other"), 20, 1).tolist()


@pytest.mark.parametrize("count", [0, 1, 11])
def test_too_many_or_too_few_explained_images(count):
    with pytest.raises(FaithcamError, match=r"explained_images: .* expected 2 .* to 10"):
        selection.explained_images(dataset((5, 5)), count, 1)


def test_only_medmnist_needs_files(tmp_path):
    assert prepare.source_files({"source": "phantom", "size": 64}, "r") == []
    assert prepare.source_files({"source": "folder", "path": "p"}, "r") == []
    medmnist = {"source": "medmnist", "flag": "breastmnist", "size": 28, "masks": ""}
    assert prepare.source_files(medmnist, "r") == ["r/medmnist/breastmnist.npz"]
    medmnist |= {"size": 64, "masks": "m.npz"}
    assert prepare.source_files(medmnist, "r") == ["r/medmnist/breastmnist_64.npz", "m.npz"]
    assert prepare.fingerprint({"source": "phantom", "size": 64}) == ""
    (tmp_path / "m.npz").write_bytes(b"1")
    one = prepare.fingerprint(medmnist | {"masks": str(tmp_path / "m.npz")})
    (tmp_path / "m.npz").write_bytes(b"12")
    assert prepare.fingerprint(medmnist | {"masks": str(tmp_path / "m.npz")}) != one


def test_prepare_writes_phantoms_and_says_what_they_are(tmp_path, capsys):
    definition = {"source": "phantom", "size": 32, "train": 6, "val": 3, "test": 3}
    prepare.prepare("phantom", definition, 1, [], tmp_path)
    said = capsys.readouterr().out
    assert "12 grey images of 32 x 32 px" in said
    assert "test: 3 images: no finding 1 (33%); nodule 1 (33%); spiculated 1 (33%)" in said
    assert open_dataset(tmp_path).masks[:].any((1, 2)).tolist() == [False, True, True] * 4
