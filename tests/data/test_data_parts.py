"""Planted parts, renderings and controls in prepared data."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from faithcam.core.errors import FaithcamError
from faithcam.data import prepare, selection, store
from faithcam.data.arrays import StoredArray
from faithcam.data.dataset import open_dataset
from faithcam.results import io as tables
from faithcam.results.files import record_path
from faithcam.running import provenance

DEFINITION = {
    "source": "phantom", "task": "shortcut", "rho": 0.5, "size": 28, "train": 9, "val": 6, "test": 6
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for seed in (0, 1):
        target = folder / "data" / "x" / f"seed{seed}"
        prepare.prepare("x", DEFINITION, 1, [], target, training_seed=seed)
    return folder


@pytest.fixture
def dataset(results):
    return open_dataset(results / "data" / "x" / "seed0")


def test_what_is_stored(dataset):
    assert dataset.parts == ("lesion", "marker", "suppressor")
    assert dataset.decoys == 6
    assert isinstance(dataset.part_masks, StoredArray)
    assert isinstance(dataset.renderings, StoredArray)
    assert dataset.part_masks.shape == (21, 9, 28, 28)
    assert dataset.renderings.shape == (6, 8 + 12, 28, 28, 1)
    test = dataset.split("test")
    assert test.tolist() == list(range(15, 21))
    assert not dataset.part_masks[:15].any()
    assert dataset.part_masks[15:].any((2, 3)).all()
    assert np.array_equal(dataset.part_masks[test, 0], dataset.masks[test])
    assert dataset.masks[:].any((1, 2)).all()
    assert np.array_equal(dataset.renderings[:, 7], dataset.images[test])


def test_renderings_of_images_in_any_order(dataset):
    chosen = dataset.renderings_of([20, 15])
    assert np.array_equal(chosen, dataset.renderings[[5, 0]])
    assert dataset.renderings_of([]).shape == (0, *dataset.renderings.shape[1:])
    with pytest.raises(FaithcamError, match=r"x: no renderings \(images \[3\] are not in the test"):
        dataset.renderings_of([15, 3])


def test_data_without_planted_parts_has_none(tmp_path):
    definition = {"source": "phantom", "size": 28, "train": 3, "val": 3, "test": 3}
    prepare.prepare("x", definition, 1, [], tmp_path)
    dataset = open_dataset(tmp_path)
    assert (dataset.parts, dataset.decoys) == ((), 0)
    assert dataset.part_masks is dataset.renderings is None
    with pytest.raises(FaithcamError, match="no planted parts"):
        dataset.renderings_of([8])


def test_the_manifest_names_every_file_with_its_hash(results):
    folder = results / "data" / "x" / "seed1"
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.name for path in folder.glob("[!.]*")} - {"manifest.json"}
    assert set(manifest["parts"]) == files
    assert {"part_masks.npy", "renderings.npy"} <= files
    for part, digest in manifest["parts"].items():
        assert hashlib.sha256((folder / part).read_bytes()).hexdigest() == digest
    assert manifest["seed"] == 1
    assert manifest["planted"] == {"parts": ["lesion", "marker", "suppressor"], "decoys": 6}


@pytest.mark.parametrize("part", ["part_masks.npy", "renderings.npy"])
def test_a_missing_or_wrong_part_is_an_error(tmp_path, part):
    prepare.prepare("x", DEFINITION, 1, [], tmp_path, training_seed=0)
    np.save(tmp_path / part, np.load(tmp_path / part)[1:])
    with pytest.raises(FaithcamError, match=f"{part}: changed or damaged"):
        open_dataset(tmp_path)
    (tmp_path / part).unlink()
    with pytest.raises(FaithcamError, match=f"{part}: no whole array .*No such file"):
        open_dataset(tmp_path)


def test_empty_masks_take_no_disk(tmp_path):
    rows = [store.Row("train", 0, "", "")] * 64
    chunks = ((np.ones((1, 64, 64, 1), np.uint8), np.zeros((1, 64, 64), np.uint8)) for _ in rows)
    store.write("x", "phantom", store.Source(("a",), 64, 1, rows, chunks), tmp_path)
    masks = (tmp_path / "masks.npy").stat()
    assert masks.st_size > 64**3
    assert masks.st_blocks * 512 < masks.st_size / 4
    assert open_dataset(tmp_path).masks[:].sum() == 0


def test_seeds_have_other_images_and_names_of_their_own(results, dataset):
    other = open_dataset(results / "data" / "x" / "seed1")
    assert (dataset.images[:] != other.images[:]).any((1, 2, 3)).all()
    actual = provenance.manifests(
        [results / "data" / "x" / f"seed{seed}" / "manifest.json" for seed in (0, 1)]
    )
    assert list(actual) == ["x/seed0", "x/seed1"]


def test_arrays_of_another_data_set_are_refused_though_their_record_is_with_them(tmp_path):
    for seed in (0, 1):
        prepare.prepare("x", DEFINITION, 1, [], tmp_path / str(seed), training_seed=seed)
    for file in (Path, record_path):
        shutil.copy(file(tmp_path / "1" / "images.npy"), file(tmp_path / "0" / "images.npy"))
    with pytest.raises(FaithcamError, match=r"0/images\.npy: changed or damaged .*manifest\.json"):
        open_dataset(tmp_path / "0")


def test_shuffled_labels_keep_images_shares_and_the_test(tmp_path):
    for control in ("none", "shuffled_labels"):
        definition = {**DEFINITION, "train": 36, "test": 3, "control": control}
        for seed in (0, 1):
            target = tmp_path / control / str(seed)
            prepare.prepare("x", definition, 1, [], target, training_seed=seed)
    true, shuffled = (open_dataset(tmp_path / c / "0") for c in ("none", "shuffled_labels"))
    assert np.array_equal(true.images, shuffled.images)
    assert np.array_equal(true.labels[true.split("test")], shuffled.labels[true.split("test")])
    for split in ("train", "val"):
        ids = true.split(split)
        counts = [np.bincount(data.labels[ids], minlength=3).tolist() for data in (true, shuffled)]
        assert counts[0] == counts[1]
    train = true.split("train")
    agree = (true.labels[train] == shuffled.labels[train]).mean()
    assert 0.1 < agree < 0.6
    other = open_dataset(tmp_path / "shuffled_labels" / "1")
    assert not np.array_equal(other.labels[train], shuffled.labels[train])
    manifest = json.loads((tmp_path / "shuffled_labels" / "0" / "manifest.json").read_text())
    stored = tables.read(tmp_path / "shuffled_labels" / "0" / "table.parquet")["label"].to_pylist()
    assert stored == shuffled.labels.tolist()
    assert manifest["splits"]["train"]["per_class"] == [12, 12, 12]


def test_validation_images_can_be_explained(dataset):
    chosen = selection.explained_images(dataset, 3, 1, "val")
    assert set(dataset.splits[chosen]) == {"val"}
    with pytest.raises(FaithcamError, match=r"expected 3 .* to 6 \(the val images\)"):
        selection.explained_images(dataset, 7, 1, "val")
