"""Phantoms: keyed images, lesions that only their outline tells apart."""

import numpy as np
import pytest

from faithcam.core import seeding
from faithcam.data.dataset import SPLITS
from faithcam.data.phantoms import radiograph as phantom


def stream(index, seed=1):
    return lambda purpose: seeding.generator(seed, "test", index, purpose)


def images(label, count, size=64):
    return [phantom.image(stream(i), label, size) for i in range(count)]


def pixels(train, size=32, seed=1, name="phantom"):
    definition = {"size": size, "train": train, "val": 3, "test": 3}
    source = phantom.source(name, definition, seed)
    chunks = list(source.chunks)
    return (
        source.rows,
        np.concatenate([c[0] for c in chunks]),
        np.concatenate([c[1] for c in chunks]),
    )


def test_an_image_does_not_depend_on_how_many_there_are():
    few, many = pixels(4), pixels(7)
    assert np.array_equal(few[1][:4], many[1][:4])
    assert np.array_equal(few[1][4:], many[1][7:])
    assert np.array_equal(few[2][4:], many[2][7:])


def test_seed_and_name_and_split_change_the_images():
    assert not np.array_equal(pixels(3)[1], pixels(3, seed=2)[1])
    assert not np.array_equal(pixels(3)[1], pixels(3, name="other")[1])
    assert not np.array_equal(pixels(3)[1][:3], pixels(3)[1][3:6])


def test_classes_are_balanced_and_splits_in_order():
    rows, *_ = pixels(9)
    assert [row.split for row in rows] == ["train"] * 9 + ["val"] * 3 + ["test"] * 3
    for split in SPLITS:
        labels = [row.label for row in rows if row.split == split]
        assert np.ptp(np.bincount(labels, minlength=3)) == 0
    assert rows[10].name == "val[1]"


@pytest.mark.parametrize("size", [28, 64, 224])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_lesions_have_masks_inside_the_picture(size, label):
    image, mask = phantom.image(stream(5), label, size)
    assert image.dtype == mask.dtype == np.uint8
    assert image.shape == mask.shape == (size, size)
    assert np.unique(mask).tolist() == ([0, 1] if label else [0])
    assert image.std() > 30


def test_a_lesion_changes_the_image_where_its_mask_is():
    for label in (1, 2):
        for i in range(8):
            healthy = phantom.image(stream(i), 0, 64)[0].astype(int)
            image, mask = phantom.image(stream(i), label, 64)
            added = image - healthy
            assert added[mask == 1].mean() > 12 * max(0.1, np.abs(added[mask == 0]).mean())


def test_the_two_kinds_differ_in_outline_but_not_in_area_or_contrast():
    room = np.full((64, 64), 0.5)
    made = {}
    for kind in phantom.CLASSES[1:]:
        lesions = [phantom.lesion(seeding.generator("lesion", i), kind, room) for i in range(60)]
        inner = [
            (added, mask) for added, mask, *_ in lesions
            if not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
        ]  # fmt: skip
        area = np.array([mask.sum() for _, mask in inner])
        total = np.array([added.sum() for added, _ in inner])
        edge = np.array([np.abs(np.diff(np.pad(m, 1).astype(int))).sum() for _, m in inner])
        made[kind] = [np.mean(area), np.mean(total / area), np.mean(edge**2 / area)]
    (area, contrast, outline), (spiky_area, spiky_contrast, spiky_outline) = made.values()
    assert spiky_area == pytest.approx(area, rel=0.1)
    assert spiky_contrast == pytest.approx(contrast, rel=0.05)
    assert spiky_outline > 1.3 * outline


def test_same_key_same_place_size_and_contrast_of_both_kinds():
    room = np.zeros((224, 224))
    room[60:160, 60:160] = 0.2
    for i in range(10):
        (round_, a, *place), (spiky, b, *other) = (
            phantom.lesion(seeding.generator("one", i), kind, room) for kind in phantom.CLASSES[1:]
        )
        assert place == other
        assert abs(int(b.sum()) - int(a.sum())) <= 0.01 * a.sum()
        assert spiky.sum() == pytest.approx(round_.sum(), rel=0.01)


def test_the_same_patient_at_every_size():
    small = phantom.image(stream(3), 1, 64)[0].astype(float)
    large = phantom.image(stream(3), 1, 128)[0].astype(float).reshape(64, 2, 64, 2).mean((1, 3))
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.97


def test_mean_brightness_does_not_tell_the_lesions_apart():
    means = [np.array([image.mean() for image, _ in images(label, 60)]) for label in (1, 2)]
    spread = np.concatenate(means).std()
    assert abs(means[0].mean() - means[1].mean()) < 0.15 * spread
