"""Phantoms with a known truth: parts come and go, and nothing else changes."""

from functools import partial

import numpy as np
import pytest
from scipy import ndimage, stats

from faithcam.core import seeding
from faithcam.data.dataset import TEXTURES
from faithcam.data.phantoms import anatomy, markers, planted
from faithcam.data.phantoms import radiograph as phantom

SIZE = 64
TASKS = list(planted.TASKS)


def stream(index, seed=0):
    return partial(seeding.generator, 1, "test", "planted", seed, "test", index)


def scene(task, index, size=SIZE, rho=0.9):
    return planted.scene(stream(index), task, index % 3, rho, size)


@pytest.fixture(scope="module")
def scenes():
    return [(task, scene(task, i)) for task in TASKS for i in range(9)]


def reached(change, size=SIZE):
    """Where the detector can carry a change of the attenuation: blur, scatter, grain."""
    radius = sum(int(4 * sigma + 0.5) for sigma in (0.25 + 0.003 * size, 0.12 * size, 0.5))
    return ndimage.maximum_filter(change, 2 * radius + 1)


def test_all_parts_are_the_stored_image_and_none_the_patient_alone(scenes):
    for task, drawn in scenes:
        renderings, parts = drawn.renderings(), planted.TASKS[task].parts
        assert renderings.shape == (2 ** len(parts) + TEXTURES * planted.DECOYS, SIZE, SIZE)
        assert np.array_equal(renderings[2 ** len(parts) - 1], drawn.render(parts))
        alone = drawn.patient.detector.image(drawn.patient.attenuation, drawn.noise)
        assert np.array_equal(renderings[0], alone)


def training_images(dropout, images=60):
    definition = {"task": "shortcut", "size": 32, "rho": 1, "train": images, "val": 6, "test": 3}
    drawn = planted.source("x", definition | {"part_dropout": dropout}, 1, 0)
    pixels, masks, *_ = zip(*drawn.chunks, strict=True)
    return np.concatenate(pixels), np.concatenate(masks)


def test_parts_are_absent_in_a_share_of_the_training_images_alone():
    whole, whole_masks = training_images(0)
    some, masks = training_images(0.3)
    changed = (some != whole).any((1, 2, 3))
    assert not changed[60:].any()
    # three parts: an image keeps all of them with probability .7 ** 3 = .34
    assert 30 <= changed[:60].sum() <= 50
    absent = masks[:60].sum((1, 2)) == 0
    assert 8 <= absent.sum() <= 28
    assert np.array_equal(masks[:60][~absent], whole_masks[:60][~absent])
    assert whole_masks.any((1, 2)).all()


def test_taking_a_part_out_changes_its_surroundings_alone(scenes):
    for _, drawn in scenes:
        renderings, names = drawn.renderings().astype(int), list(drawn.masks)
        for i, name in enumerate(names):
            for without in (s for s in range(2 ** len(names)) if not s >> i & 1):
                changed = renderings[without | 1 << i] != renderings[without]
                if name == "marker":
                    assert not changed[drawn.masks[name] == 0].any()
                    assert (renderings[without | 1 << i][drawn.masks[name] == 1] == 245).all()
                else:
                    assert not changed[reached(drawn.added[name] != 0) == 0].any()
                    strong = np.abs(renderings[without | 1 << i] - renderings[without])
                    assert strong[drawn.masks[name] == 0].mean() < 1
                if name == "lesion":
                    assert strong[drawn.masks[name] == 1].mean() > 20


def test_another_background_stays_inside_its_decoy(scenes):
    for _, drawn in scenes:
        full, count = drawn.render(drawn.masks).astype(int), 2 ** len(drawn.masks)
        others = drawn.renderings()[count:].astype(int)
        for k, image in enumerate(others):
            disc = drawn.decoys[k % planted.DECOYS]
            assert not (image != full)[reached(disc) == 0].any()
            change = np.abs(image - full)
            assert change[disc == 1].mean() > 10 * change[disc == 0].mean()
        first, second = others[: planted.DECOYS], others[planted.DECOYS :]
        assert all((a != b).any() for a, b in zip(first, second, strict=True))


def test_a_decoy_draws_its_texture_again_and_not_the_anatomy():
    drawn = scene("lesion", 0)
    flat = anatomy.Chest(
        **{
            **drawn.patient.__dict__,
            "texture": np.zeros((SIZE, SIZE)),
            "detail": np.zeros((SIZE, SIZE)),
            "body": np.zeros((SIZE, SIZE)),
        }
    )
    silent = planted.Scene(flat, 0 * drawn.noise, drawn.added, drawn.marker, drawn.masks, stream(0))
    silent.__dict__["decoys"] = drawn.decoys
    detector = anatomy.Detector(**{**flat.detector.__dict__, "graininess": 0})
    flat.__dict__["detector"] = detector
    assert np.array_equal(silent.redrawn(0, 0), silent.render(silent.masks))


@pytest.mark.parametrize(("size", "count"), [(28, 12), (64, 24), (224, 2)])
def test_parts_and_decoys_touch_nothing(size, count):
    for task in TASKS:
        for i in range(count):
            drawn = scene(task, i, size)
            masks = [*drawn.masks.values(), *drawn.decoys]
            assert all(mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1} for mask in masks)
            assert np.sum(masks, axis=0).max() == 1
            area = drawn.masks["lesion"].sum()
            assert [disc.sum() for disc in drawn.decoys] == [area] * planted.DECOYS
            assert all(drawn.patient.skin[disc == 1].min() > 0 for disc in drawn.decoys)
            for disc in drawn.decoys:  # round, and not cut off by the border
                rows, columns = np.nonzero(disc)
                spans = np.ptp(rows), np.ptp(columns)
                assert abs(spans[0] - spans[1]) <= 1
                assert np.hypot(*spans) / 2 < 1.6 * np.sqrt(area / np.pi)


def test_no_marker_touches_the_lesion():
    for i in (*range(40), 876, 1292):  # the last two would, if they could
        drawn = planted.scene(stream(i), "shortcut", 1, 0.9, SIZE)  # spiculated
        away = ndimage.distance_transform_edt(~drawn.marker)
        assert away[drawn.added["lesion"] > 0].min() >= 6


def test_markers_are_symmetric_and_near_a_corner():
    for i in range(9):
        mask = scene("shortcut", i, rho=1).masks["marker"]
        rows, columns = np.nonzero(mask)
        glyph = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert np.array_equal(glyph, glyph[:, ::-1])
        name = list(markers.GLYPHS)[i % 3]
        assert np.array_equal(glyph, [[c == "#" for c in row] for row in markers.GLYPHS[name]])
        assert max(rows.max(), columns.max()) < 0.25 * SIZE
        assert min(rows.min(), columns.min()) >= 1


@pytest.mark.parametrize("rho", [0, 0.5, 0.9, 1])
def test_markers_follow_the_label_as_often_as_rho_says(rho):
    count = 3000
    pairs = [
        (i % 3, markers.marker_of(stream(i)("marker"), i % 3, rho)) for i in range(count)
    ]  # fmt: skip
    same = sum(label == marker for label, marker in pairs)
    low, high = stats.binom.interval(0.9999, count, rho + (1 - rho) / 3)
    assert low <= same <= high
    if rho < 1:  # the others alike
        one = sum(marker == (label + 1) % 3 for label, marker in pairs)
        assert stats.binomtest(one, count - same, 0.5).pvalue > 1e-4


def test_test_images_have_a_marker_that_says_nothing():
    definition = {"task": "shortcut", "rho": 1, "size": 28, "train": 6, "val": 6, "test": 60}
    source = planted.source("x", definition, 1, 0)
    glyphs = {}
    for row, (_, _, masks, _), index in zip(source.rows, source.chunks, range(72), strict=True):
        if row.split == "test":
            rows, columns = np.nonzero(masks[0, 1])
            glyph = masks[0, 1][rows.min() :, columns.min() :][:7, :5].tobytes()
            glyphs.setdefault(glyph, np.zeros(3))[row.label] += 1
            # in training, rho would have made it the label's
            random = partial(seeding.generator, 1, "x", "planted", 0, "test", index - 12)
            assert markers.marker_of(random("marker"), row.label, 1) == row.label
    table = np.array(list(glyphs.values()))
    assert table.shape == (3, 3)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_kinds_share_place_size_contrast_and_histogram():
    room = np.zeros((224, 224))
    room[60:160, 60:160] = 0.2
    for i in range(5):
        nodule, spiky, ring = (
            phantom.lesion(seeding.generator("x", i), k, room) for k in planted.KINDS
        )
        assert nodule[2:] == spiky[2:] == ring[2:]
        assert np.array_equal(nodule.mask, ring.mask)
        inside = nodule.mask == 1
        levels = [np.sort(lesion.added[inside]) for lesion in (nodule, ring)]
        assert np.abs(levels[0] - levels[1]).mean() < 0.02 * levels[0].max()
        assert ring.added.sum() == pytest.approx(nodule.added.sum(), rel=0.01)
        # ranks are reversed: where a nodule is dense, a ring is not
        centre = inside & (nodule.added > 0.9 * nodule.added.max())
        assert ring.added[centre].max() < 0.6 * ring.added.max()
        assert stats.spearmanr(nodule.added[inside], ring.added[inside]).statistic < -0.9


def test_position_is_one_kind_in_one_of_three_zones():
    heights = {0: [], 1: [], 2: []}
    for i in range(45):
        drawn = scene("position", i)
        rows = np.nonzero(drawn.masks["lesion"])[0]
        heights[i % 3].append(rows.mean())
        same_patient = planted.scene(stream(i), "lesion", 0, 0, SIZE)
        assert np.array_equal(drawn.patient.y, same_patient.patient.y)
    upper, middle, lower = (np.array(heights[k]) for k in range(3))
    assert np.quantile(upper, 0.9) < np.quantile(middle, 0.1)
    assert np.quantile(middle, 0.9) < np.quantile(lower, 0.1)


def test_the_suppressor_shows_the_nuisance_and_not_the_class():
    """Its amplitude has zero mean, and is the nuisance's, which is part of the background."""
    amplitudes, nuisances, labels = [], [], []
    for i in range(60):
        drawn = scene("lesion", i)
        patient = anatomy.chest(stream(i), SIZE)
        nuisance = drawn.patient.attenuation - patient.attenuation
        patch = drawn.added["suppressor"]
        assert not nuisance[drawn.masks["suppressor"] == 1].any()
        amplitudes.append(patch.flat[np.abs(patch).argmax()])
        nuisances.append(-nuisance[drawn.added["lesion"] > 0.8 * drawn.added["lesion"].max()].sum())
        labels.append(i % 3)
    nodules = np.array(labels) == 0
    pairs = np.array(amplitudes)[nodules], np.array(nuisances)[nodules]
    assert stats.spearmanr(*pairs).statistic > 0.9
    assert stats.ttest_1samp(amplitudes, 0).pvalue > 1e-3
    assert (
        stats.f_oneway(*(np.array(amplitudes)[np.array(labels) == k] for k in range(3)))[1] > 1e-3
    )


def test_nothing_tells_the_place_of_a_lesion_that_is_taken_out():
    for i in range(6):
        patient = anatomy.chest(stream(i), SIZE)
        assert np.array_equal(scene("position", i).patient.attenuation, patient.attenuation)


def test_each_training_seed_draws_images_of_its_own():
    definition = {"task": "lesion", "size": 28, "train": 3, "val": 3, "test": 3}
    drawn = {
        seed: np.concatenate([c[0] for c in planted.source("x", definition, 1, seed).chunks])
        for seed in (0, 1)
    }
    assert all((a != b).mean() > 0.5 for a, b in zip(drawn[0], drawn[1], strict=True))
    again = np.concatenate([c[0] for c in planted.source("x", definition, 1, 0).chunks])
    assert np.array_equal(drawn[0], again)


def test_rho_changes_markers_alone():
    one, other = (scene("shortcut", 4, rho=rho) for rho in (0, 1))
    parts = ("lesion", "suppressor")
    assert np.array_equal(one.render(parts), other.render(parts))
