"""Maps that were made elsewhere become stored maps like a method's, or an error names them."""

from dataclasses import replace

import numpy as np
import pytest
from shards import make_shard, network_of, scored_by, several_shard, written

from faithcam.core.errors import FaithcamError
from faithcam.results import io as tables
from faithcam.running import explaining
from faithcam.running.importing import imported
from faithcam.running.stored_maps import StoredMaps

RANDOM = np.random.default_rng(5)


def grids_of(shard):
    """Return settings of the job: what the network makes of the shard's images."""
    images = next(iter(shard.batches())).images
    volumes = images.shape[1:2] if shard.dataset.slices else ()
    pixels = (*volumes, *images.shape[-2:])
    return {"cells": [*shard.model.activations(images).shape[2:]], "pixels": [*pixels]}


def given(shard, path, **over):
    """Write maps of the predicted classes, and return them."""
    cells = grids_of(shard)["cells"]
    maps = RANDOM.normal(size=(len(shard.image_ids), *cells)).astype(np.float32)
    np.savez(path, **{"image_ids": shard.image_ids, "maps": maps} | over)
    return maps


def taken(shard, path):
    return imported(shard, "ours", path, grids_of(shard))


def message(shard, path):
    with pytest.raises(FaithcamError) as error:
        taken(shard, path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seed0.npz"


def test_the_table_is_like_that_of_a_method(path):
    shard = make_shard()
    given(shard, path)
    ours = taken(shard, path)
    theirs = explaining.compute(shard, ["sobel"])[0]["sobel"]
    assert ours.schema.equals(theirs.schema)
    same = [name for name in ours.column_names if name not in ("method", "map")]
    assert ours.select(same).to_pandas().equals(theirs.select(same).to_pandas())
    assert set(ours["method"].to_pylist()) == {"ours"}


def test_maps_are_those_of_the_predicted_class_for_both_scores(path, tmp_path):
    shard = make_shard()
    maps = given(shard, path)
    tables.write(tmp_path / "ours.parquet", taken(shard, path), taken(shard, path).schema)
    stored = StoredMaps(shard, [str(tmp_path / "ours.parquet")])
    for batch in shard.batches():
        right = (batch.labels == batch.predicted)[: batch.count].numpy()
        for score in ("logit", "centred"):
            found = stored.of(batch, "ours", "predicted", score)[: batch.count].numpy()
            assert np.array_equal(found, maps[batch.rows])
            of_label = stored.of(batch, "ours", "label", score)[: batch.count].numpy()
            assert np.array_equal(of_label[right], maps[batch.rows][right])
            assert np.isnan(of_label[~right]).all()
    assert 0 < (shard.labels == shard.predicted).sum() < len(shard.labels)


def test_they_score_like_the_same_maps_of_a_method(path, tmp_path):
    shard = make_shard()
    table = explaining.compute(shard, ["hirescam"])[0]["hirescam"]
    rows = table.to_pandas().query(
        "explained_class == 'predicted' and explained_score == 'centred'"
    )
    cells = grids_of(shard)["cells"]
    maps = np.stack(rows["map"]).reshape(-1, *cells)
    np.savez(path, image_ids=rows["image_id"], maps=maps)
    files = written({"hirescam": table, "ours": taken(shard, path)}, tmp_path)
    network = network_of(shard, ["hirescam", "ours"])
    wrong = shard.image_ids[shard.labels != shard.predicted]
    for metric in ("deletion", "haas", "truth_agreement", "infidelity"):
        scores = scored_by(shard, metric, files, network)["scores"].to_pandas()
        key = ["protocol", "setting", "image_id"]
        theirs, ours = (
            scores[scores["method"] == name].set_index(key) for name in ("hirescam", "ours")
        )
        assert len(ours) == len(theirs) > 0
        of_logits = ours.index.get_level_values("setting").str.contains("explained_score=logit")
        of_label = (
            (ours.index.get_level_values("protocol") == "thesis")
            | ours.index.get_level_values("setting").str.contains("explained_class=label")
        ) & ours.index.get_level_values("image_id").isin(wrong)
        if metric == "haas":
            assert set(ours[of_label]["status"]) == {"undefined"}
            assert ours[of_label]["value"].isna().all()
            of_logits |= ours.index.get_level_values("protocol") == "thesis"
        same = ~(of_logits | of_label)
        assert ours[same][["value", "status"]].equals(theirs[same][["value", "status"]]), metric


def test_maps_of_the_label_are_taken_where_they_are_given(path):
    shard = make_shard()
    ids = np.r_[shard.image_ids, shard.image_ids]
    classes = np.r_[shard.predicted, shard.labels]
    _, once = np.unique(np.stack([ids, classes]), axis=1, return_index=True)
    order = RANDOM.permutation(once)
    maps = RANDOM.normal(size=(len(order), *grids_of(shard)["cells"])).astype(np.float32)
    np.savez(path, image_ids=ids[order], classes=classes[order], maps=maps)
    of = {(ids[row], classes[row]): each for row, each in zip(order, maps, strict=True)}
    for row in taken(shard, path).to_pylist():
        assert row["map"] == of[row["image_id"], row["class"]].ravel().tolist()


def test_a_shard_takes_its_images_alone_and_others_do_not_count(path):
    whole = make_shard()
    cells = grids_of(whole)["cells"]
    maps = RANDOM.normal(size=(16, *cells))
    maps[12] = np.nan  # of an image that is not explained
    np.savez(path, image_ids=np.arange(16), maps=maps)
    rows = taken(whole, path).to_pandas().query("image_id >= 4 and image_id < 8")
    part = taken(make_shard(start=4, stop=8), path).to_pandas()
    assert len(part) == 16
    assert rows.reset_index(drop=True).astype(str).equals(part.astype(str))


def test_pixels_are_summed_over_cells(path):
    shard = make_shard()
    size = grids_of(shard)["pixels"]
    pixels = RANDOM.normal(size=(len(shard.image_ids), *size))
    np.savez(path, image_ids=shard.image_ids, maps=pixels)
    table = taken(shard, path)
    h, w = grids_of(shard)["cells"]
    first = next(row for row in table.to_pylist() if row["explained_class"] == "predicted")
    assert (first["height"], first["width"]) == (h, w)
    sums = pixels[0].reshape(h, size[0] // h, w, size[1] // w).sum((1, 3))
    assert np.allclose(first["map"], sums.ravel(), rtol=0, atol=1e-6)


def test_maps_of_volumes_and_of_several_labels(path):
    shard = several_shard()
    maps = given(shard, path, classes=shard.predicted)
    table = taken(shard, path)
    assert np.array_equal(np.stack(table["map"].to_numpy()), maps.reshape(len(maps), -1))
    assert table["class"].to_pylist() == shard.predicted.tolist()
    assert set(table["slices"].to_pylist()) == {maps.shape[1]}
    given(shard, path, image_ids=np.arange(len(maps)))
    assert message(shard, path).startswith("no classes found, expected the class of every map")


def test_what_is_missing_or_of_another_class_is_named(path):
    shard = make_shard()
    ids, right = shard.image_ids, shard.predicted
    given(shard, path, image_ids=np.where(ids == ids[3], 1000, ids))
    assert message(shard, path) == (
        f"no map of 1 explained images, e.g. {ids[3]} (class {right[3]}); expected one of each "
        "explained image, of the predicted classes"
    )
    given(shard, path, classes=np.where(ids == ids[3], (right + 1) % 3, right))
    assert f"e.g. {ids[3]} (class {right[3]}); of images [{ids[3]}] other classes are there" in (
        message(shard, path)
    )


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e39])
def test_numbers_that_are_none_are_named(number, path):
    shard = make_shard()
    maps = given(shard, path).astype(float)
    maps[[2, 5], 0, 0] = number
    np.savez(path, image_ids=shard.image_ids, maps=maps)
    named = shard.image_ids[[2, 5]].tolist()
    assert message(shard, path).startswith(f"the maps of images {named} are not finite")


def test_a_constant_map_is_taken(path):
    shard = make_shard()
    given(shard, path, maps=np.zeros((len(shard.image_ids), *grids_of(shard)["cells"])))
    assert not np.stack(taken(shard, path).to_pandas()["map"].dropna()).all()


def test_more_maps_than_images_and_classes_are_not_read(path):
    shard = make_shard()
    labels = shard.dataset.labels[:2]
    small = replace(shard, dataset=replace(shard.dataset, labels=labels))
    given(shard, path)
    with pytest.raises(FaithcamError, match="10 maps found, expected 1 to 6, one of an image"):
        imported(small, "ours", path, grids_of(shard))
