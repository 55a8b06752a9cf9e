"""Shards of volumes and of several labels per image: which rows there are; shards agree."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from shards import BATCH, IMAGES, SLICES, several_shard, written

from faithcam.core.errors import FaithcamError
from faithcam.figures import examples, slices
from faithcam.maps import registry
from faithcam.maps.explain import explain
from faithcam.maps.tables import VOLUME_MAPS
from faithcam.results import io as tables
from faithcam.running import collect
from faithcam.running import explaining as maps
from faithcam.running.stored_maps import StoredMaps

METHODS = [
    name
    for name in registry.supported(registry.METHODS, "flatten")
    if registry.METHODS[name].volumes
]


@pytest.mark.parametrize("volumes", [0, SLICES])
def test_every_label_of_an_image_is_explained_and_no_other(volumes):
    shard = several_shard(slices=volumes)
    actual, checks = maps.compute(shard, ["gradcam", "hirescam", "random"])
    rows = actual["hirescam"].to_pylist()
    pairs = [(row["image_id"], row["class"]) for row in rows]
    assert [list(pair) for pair in pairs] == np.argwhere(shard.dataset.labels[:IMAGES]).tolist()
    assert {(row["explained_class"], row["explained_score"]) for row in rows} == {
        ("label", "logit")
    }
    assert all(checks["passed"].to_pylist())
    assert set(checks["images"].to_pylist()) == {len(pairs)}
    ids, classes = np.array(pairs).T
    images = shard.tensor(shard.dataset.images[ids])
    expected = explain(shard.model, images, torch.from_numpy(classes), ["hirescam"])["hirescam"]
    sides = (SLICES, 4, 4) if volumes else (4, 4)
    stored = np.stack([np.reshape(row["map"], sides) for row in rows])
    np.testing.assert_allclose(stored, expected.numpy(), atol=1e-6)
    if volumes:
        assert {(row["slices"], row["height"], row["width"]) for row in rows} == {(SLICES, 4, 4)}
    else:
        assert "slices" not in rows[0]
    sums = stored.reshape(len(rows), -1).sum(1)
    np.testing.assert_allclose([row["score"] for row in rows], sums, atol=1e-5)


@pytest.mark.parametrize("multi_label", [False, True])
def test_tables_do_not_depend_on_shards(multi_label, tmp_path):
    whole, _ = maps.compute(several_shard(multi_label=multi_label), METHODS)
    halves = (
        several_shard(0, 4, multi_label=multi_label),
        several_shard(4, 10, multi_label=multi_label),
    )
    parts = [maps.compute(half, METHODS)[0] for half in halves]
    key = ["explained_class", "explained_score", "image_id", "class"]
    for name in METHODS:
        joined = tables.concatenate([part[name] for part in parts], VOLUME_MAPS, key)
        tables.write(tmp_path / "joined", joined, VOLUME_MAPS)
        tables.write(tmp_path / "whole", whole[name], VOLUME_MAPS)
        assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes(), name


def test_micro_batches_hold_whole_images_and_are_always_full():
    shard = several_shard()
    seen = []
    for batch in shard.batches():
        assert len(batch.image_ids) == len(batch.images) == len(batch.labels) == BATCH
        pairs = zip(batch.image_ids, batch.labels.tolist(), strict=True)
        seen += list(pairs)[: batch.count]
        assert len({i // BATCH for i in batch.image_ids}) == 1  # of one micro-batch of images
    expected = zip(shard.image_ids.tolist(), shard.predicted.tolist(), strict=True)
    assert seen == list(expected)


def test_stored_maps_come_back_and_sum_to_the_score(tmp_path):
    shard = several_shard()
    actual, _ = maps.compute(shard, ["gradcam", "hirescam", "random"])
    files = written(actual, tmp_path)
    loaded = StoredMaps(shard, files)
    for batch in shard.batches():
        raw = loaded.of(batch, "hirescam", "label", "logit")
        again = explain(shard.model, batch.images, batch.labels, ["hirescam"])["hirescam"]
        torch.testing.assert_close(raw, again)
    table = collect.completeness(files).to_pandas()
    assert len(table) == 2 * len(shard.image_ids)  # the random map explains no score
    faithful = table[table["method"] == "hirescam"]
    assert faithful["class"].tolist() == shard.predicted.tolist()
    np.testing.assert_allclose(faithful["map_sum"], faithful["score_minus_bias"], atol=1e-5)


def test_stored_maps_of_other_images_are_refused(tmp_path):
    shard = several_shard()
    actual, _ = maps.compute(shard, ["gradcam", "hirescam"])
    actual["hirescam"] = actual["hirescam"].slice(1)
    with pytest.raises(FaithcamError, match="maps of hirescam of other images found"):
        StoredMaps(shard, written(actual, tmp_path))


def test_shams_keep_each_slices_statistics():
    shard = several_shard()
    actual, _ = maps.compute(shard, ["hirescam", "sham", "gradcam", "completed_gradcam"])
    values = {name: np.stack(table["map"].to_numpy()) for name, table in actual.items()}
    assert not np.allclose(values["sham"], values["hirescam"], atol=1e-3)
    complete, faithful = values["completed_gradcam"], values["hirescam"]
    np.testing.assert_allclose(complete.sum(1), faithful.sum(1), atol=1e-5)


# --- the figure ----------------------------------------------------------------------------------


def test_the_slice_with_most_of_the_finding_is_shown():
    mask = np.zeros((16, 4, 4), np.uint8)
    assert slices.chosen_slices(mask) == [1, 3, 5, 7, 9, 11, 13, 15]
    mask[6, 0] = 1
    mask[7, 0, 0] = 1
    assert 6 in slices.chosen_slices(mask)
    assert len(slices.chosen_slices(mask)) == 8
    assert slices.chosen_slices(mask[:3]) == [0, 1, 2]


@pytest.mark.parametrize(("volumes", "multi_label"), [(SLICES, True), (SLICES, False), (0, True)])
def test_a_sheet_shows_stored_maps_and_is_the_same_every_time(tmp_path, volumes, multi_label):
    shard = several_shard(slices=volumes, multi_label=multi_label)
    actual, _ = maps.compute(shard, ["gradcam", "hirescam"])
    frame = pd.concat([table.to_pandas() for table in actual.values()])
    for name in ("a.png", "b.png"):
        slices.draw_stored(shard.dataset, frame, "Maps", tmp_path / name, 3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as sheet:
        width, height = sheet.size
    assert height == round(200 * (0.6 + 1.2 * 3 * 3))
    assert width == round(200 * (1.6 + 1.15 * (volumes or 1)))


def test_images_of_one_label_keep_their_own_figure(tmp_path, monkeypatch):
    shard = several_shard(slices=0, multi_label=False)
    actual, _ = maps.compute(shard, ["gradcam", "hirescam"])
    files = written(actual, tmp_path)
    monkeypatch.setattr(examples, "open_dataset", lambda _: shard.dataset)
    monkeypatch.setattr(slices, "draw_stored", None)
    examples.draw_stored(tmp_path, files, "Maps", tmp_path / "a.png", 2)
    assert (tmp_path / "a.png").is_file()
