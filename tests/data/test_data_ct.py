"""CT phantom: keyed volumes, findings that are where their masks are and change nothing else."""

from functools import cache, partial

import numpy as np
import pytest

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.data import prepare, selection
from faithcam.data.dataset import Dataset, open_dataset, to_tensor
from faithcam.data.phantoms import ct
from faithcam.data.phantoms.thorax import Grid

GRID = Grid(64, 16)


def stream(index, seed=1):
    return partial(seeding.generator, seed, "test", index)


@cache
def volume(findings, index=0, grid=GRID):
    return ct.draw(stream(index), findings, grid)


@cache
def pixels(train, seed=1, name="ct"):
    definition = {"size": 32, "slices": 4, "train": train, "val": 2, "test": 2}
    source = ct.source(name, definition, seed)
    chunks = list(source.chunks)
    return source.rows, *(np.concatenate([c[i] for c in chunks]) for i in range(3))


def test_a_volume_does_not_depend_on_how_many_there_are():
    few, many = pixels(2), pixels(5)
    for a, b in zip(few[1:], many[1:], strict=True):
        assert np.array_equal(a[:2], b[:2])
        assert np.array_equal(a[2:], b[5:])


def test_seed_name_and_split_change_the_volumes():
    assert not np.array_equal(pixels(2)[1], pixels(2, seed=2)[1])
    assert not np.array_equal(pixels(2)[1], pixels(2, name="other")[1])
    assert not np.array_equal(pixels(2)[1][:2], pixels(2)[1][2:4])


def test_all_combinations_take_turns():
    actual = [ct.present(i) for i in range(32)]
    assert len(set(actual[:16])) == 16
    assert actual[:16] == actual[16:]
    each = np.array([[c in labels for c in range(4)] for labels in actual])
    assert each.mean(0).tolist() == [0.5] * 4
    assert np.allclose(np.corrcoef(each.T), np.eye(4))  # no finding tells of another


@pytest.mark.parametrize("size", [28, 64, 128])
@pytest.mark.parametrize("slices", [4, 16])
def test_every_finding_has_voxels_in_every_size(size, slices):
    for index in range(2):
        image, masks = volume((0, 1, 2, 3), index, Grid(size, slices))
        assert image.dtype == masks.dtype == np.uint8
        assert image.shape == (slices, size, size)
        assert masks.shape == (4, slices, size, size)
        assert np.unique(masks).tolist() == [0, 1]
        assert masks.any((1, 2, 3)).all()


def test_masks_are_of_the_findings_that_are_there():
    for i in range(16):
        findings = ct.present(i)
        masks = volume(findings, 3)[1]
        assert masks.any((1, 2, 3)).tolist() == [c in findings for c in range(4)]
        assert masks[:3].sum(0).max() <= 1  # findings of the lungs do not overlap


@pytest.mark.parametrize("finding", [ct.NODULE, ct.CONSOLIDATION, ct.EFFUSION])
def test_a_finding_of_the_lungs_changes_the_volume_where_its_mask_is(finding):
    for index in range(4):
        healthy, _ = volume((), index)
        image, masks = volume((finding,), index)
        added = image.astype(int) - healthy
        mask = masks[finding] == 1
        assert added[mask].mean() > 70  # air became soft tissue
        near = np.abs(added) > 25
        assert near[mask].mean() > 0.75
        assert near[~mask].mean() < 0.01


def test_a_heart_with_cardiomegaly_is_larger_and_the_rest_is_the_same_patient():
    for index in range(4):
        healthy, _ = volume((), index)
        image, masks = volume((ct.CARDIOMEGALY,), index)
        mask = masks[ct.CARDIOMEGALY] == 1
        added = image.astype(int) - healthy
        assert added[mask].mean() > 10  # lung became heart
        rows = mask.any((1, 2))
        assert np.abs(added[~rows]).mean() < 1
        assert 0.008 < mask.mean() < 0.04


def test_the_same_patient_at_every_size():
    small, large = (volume((0, 2), 5, Grid(size, 8))[0].astype(float) for size in (64, 128))
    mean = large.reshape(8, 64, 2, 64, 2).mean((2, 4))
    assert np.corrcoef(small.ravel(), mean.ravel())[0, 1] > 0.98


def test_mean_brightness_does_not_tell_nodules():
    plain, with_nodule = (
        np.array([volume(findings, i, Grid(32, 8))[0].mean() for i in range(24)])
        for findings in ((), (ct.NODULE,))
    )
    assert abs(with_nodule.mean() - plain.mean()) < 0.2 * plain.std()


def test_prepare_writes_volumes_labels_and_masks(tmp_path, capsys):
    definition = {
        "source": "ct_phantom", "size": 32, "slices": 4, "train": 16, "val": 3, "test": 8,
    }  # fmt: skip
    prepare.prepare("ct", definition, 1, [], tmp_path)
    said = capsys.readouterr().out
    assert "27 grey volumes of 4 slices of 32 x 32 px" in said
    assert "train: 16 images: nodule 8 (50%); consolidation 8 (50%); effusion 8 (50%)" in said
    data = open_dataset(tmp_path)
    assert (data.multi_label, data.classes) == (True, ct.FINDINGS)
    assert data.images.shape == (27, 4, 32, 32, 1)
    assert data.finding_masks.shape == (27, 4, 4, 32, 32)
    assert np.array_equal(data.finding_masks[:].any((2, 3, 4)), data.labels)
    assert np.array_equal(data.masks, data.finding_masks[:].any(1))
    assert tuple(to_tensor(data.images[[0, 1]]).shape) == (2, 4, 3, 32, 32)


def test_shuffled_labels_keep_volumes_and_the_test(tmp_path):
    definition = {
        "source": "ct_phantom", "size": 28, "slices": 4, "train": 16, "val": 4, "test": 4,
    }  # fmt: skip
    actual = []
    for control in ("none", "shuffled_labels"):
        prepare.prepare("ct", definition | {"control": control}, 1, [], tmp_path / control)
        actual.append(open_dataset(tmp_path / control))
    true, shuffled = actual
    assert np.array_equal(true.images, shuffled.images)
    assert np.array_equal(true.labels[20:], shuffled.labels[20:])
    assert not np.array_equal(true.labels[:16], shuffled.labels[:16])
    assert true.labels[:16].sum(0).tolist() == shuffled.labels[:16].sum(0).tolist()


def labelled(rows):
    labels = np.array(rows, np.uint8)
    ids, splits = np.arange(len(rows)), np.array(["test"] * len(rows))
    classes = tuple("abc"[: labels.shape[1]])
    return Dataset("m", classes, 4, 1, ids, ids, ids, labels, splits)


def test_explained_images_have_findings_and_every_class():
    rows = [[1, 0, 0]] * 20 + [[0, 0, 0]] * 20 + [[1, 1, 0], [0, 0, 1]]
    data = labelled(rows)
    for count in (3, 10, 22):
        chosen = selection.explained_images(data, count, 1)
        assert len(set(chosen.tolist())) == count
        assert data.labels[chosen].any(1).all()
        assert data.labels[chosen].any(0).all()
        assert chosen.tolist() == sorted(chosen.tolist())
    few, more = (set(selection.explained_images(data, n, 1).tolist()) for n in (5, 9))
    assert few < more
    assert few != set(selection.explained_images(data, 5, 2).tolist())
    for count in (1, 23):
        with pytest.raises(FaithcamError, match=r"expected 2 \(so that every class.* to 22"):
            selection.explained_images(data, count, 1)
