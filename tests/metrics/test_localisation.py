"""Localisation: known numbers, ties, empty masks and blank maps."""

import math

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from scored import CONFIG, frame_of, network_of
from shards import make_shard, planted_shard, several_shard

from faithcam.core.seeding import Noise, Streams
from faithcam.data.phantoms.planted import TASKS
from faithcam.metrics import registry
from faithcam.metrics.inputs import GivenMaps, Inputs
from faithcam.metrics.localisation import localisation
from faithcam.running.scoring import inputs_of

NETWORK = network_of(methods=["gradcam"], task="shortcut")


def measured(values, mask):
    maps, masks = torch.tensor([values], dtype=torch.float32), torch.tensor([mask]).bool()
    actual = localisation.localisation(maps[None], masks[None])
    return tuple(actual[kind].item() for kind in ("pointing", "mass", "rank"))


@pytest.mark.parametrize(
    ("values", "mask", "expected"),
    [
        ([4, 3, 2, 1], [1, 1, 0, 0], (1, 0.7, 1)),
        ([4, 3, 2, 1], [0, 1, 0, 1], (0, 0.4, 0.5)),
        ([4, 4, 4, 0], [1, 0, 0, 0], (1 / 3, 1 / 3, 1 / 3)),  # one of three tied pixels
        ([5, 1, 0, 0], [0, 1, 1, 0], (0, 1 / 6, 0.5)),
        ([5, 0, 0, 0], [1, 0, 0, 1], (1, 1, (1 + 1 / 3) / 2)),  # three zeros for one place
        ([2, 2, 2, 2], [1, 1, 1, 0], (0.75, 0.75, 0.75)),
        ([1, 2, 3, 4], [1, 1, 1, 1], (1, 1, 1)),
    ],
)
def test_measures_by_hand(values, mask, expected):
    assert measured(values, mask) == pytest.approx(expected)


def test_blank_maps_and_empty_masks_have_no_value():
    assert all(map(math.isnan, measured([0, 0, 0, 0], [1, 0, 0, 0])))
    assert all(map(math.isnan, measured([1, 0, 0, 0], [0, 0, 0, 0])))


def test_tied_pixels_score_what_a_random_order_of_them_scores_on_average():
    random = np.random.default_rng(0)
    values, mask = random.integers(0, 3, 12) + 1.0, random.random(12) < 0.4
    pointing, _, rank = measured(values.tolist(), mask.tolist())
    hits, first = [], []
    for _ in range(4000):
        order = np.lexsort((random.random(12), -values))
        hits.append(mask[order[: mask.sum()]].mean())
        first.append(mask[order[0]])
    assert rank == pytest.approx(np.mean(hits), abs=0.02)
    assert pointing == pytest.approx(np.mean(first), abs=0.03)


def scored(raw, **masks):
    """As in a notebook: maps and masks are enough."""
    images = random_images(len(raw))
    inputs = Inputs(
        random_net(),
        images,
        torch.zeros(len(raw), dtype=torch.int64),
        GivenMaps({"gradcam": raw}),
        Noise(Streams(7, "mine", "net"), range(len(raw))),
        masks=masks,
    )
    frame = frame_of("localisation", inputs, NETWORK)
    return frame.set_index(["setting", "image"])


def test_every_mask_has_its_scores_and_statuses():
    raw = torch.rand(4, 16, 16)
    raw[2] = -raw[2]
    lesion, marker = torch.zeros(2, 4, 16, 16).bool()
    lesion[:, :5, :5] = marker[:, 9:, 3:] = True
    marker[1] = False
    frame = scored(raw, lesion=lesion, marker=marker)
    status = frame["status"]
    assert set(status["kind=rank;mask=lesion"]) == {"ok", "blank_map"}
    assert status["kind=mass;mask=lesion", 2] == status["kind=mass;mask=marker", 2] == "blank_map"
    assert status["kind=pointing;mask=marker", 1] == "empty_mask"
    assert status["kind=pointing;mask=marker", 0] == "ok"
    assert (frame["status"].eq("ok") == frame["value"].notna()).all()
    mass = frame["value"]["kind=mass;mask=marker", 3]
    expected = (raw[3].double() * marker[3]).sum() / raw[3].double().sum()
    assert mass == pytest.approx(float(expected))


def test_negative_relevance_is_cut_off_before_maps_are_upsampled():
    raw = torch.full((2, 2, 2), -5.0)
    raw[:, 0, 0] = 1
    mask = torch.zeros(2, 16, 16).bool()
    mask[:, 8:, 8:] = True
    (value,) = set(scored(raw, lesion=mask, marker=mask)["value"]["kind=mass;mask=lesion"])
    # a quarter of a separable hat that is 1 up to pixel 3 and falls to 0 at pixel 12, rows alike
    hat = np.clip(1 - (np.arange(16) - 3.5) / 8, 0, 1)
    assert value == pytest.approx((hat[8:].sum() / hat.sum()) ** 2, rel=1e-5)


def test_cells_of_volumes_are_found_in_their_slice():
    raw = torch.zeros(1, 3, 4, 4)
    raw[0, 1, 1, 1] = 2
    raw[0, 1, 0, 3] = -5  # what is negative does not count
    mask = torch.zeros(1, 3, 16, 16).bool()
    mask[0, 1, 4:8, 4:8] = True
    actual = localisation.localisation(torch.nn.functional.interpolate(raw.clamp(min=0), 16), mask)
    assert [float(actual[kind]) for kind in ("pointing", "mass", "rank")] == [1, 1, 1]


# --- which masks there are -----------------------------------------------------------------------


def masks_of(shard):
    settings = {"uses": ["masks"], "images": 0, "memory_mb": 100}
    return [(batch, inputs.masks) for batch, inputs in inputs_of(shard, [], settings)]


def test_masks_are_the_lesion_and_the_parts_that_a_label_may_depend_on():
    shard = planted_shard(absent=[(1, 1)])
    for batch, masks in masks_of(shard):
        assert list(masks) == ["lesion", "marker"]
        for name, place in (("lesion", 0), ("marker", 1)):
            expected = shard.dataset.part_masks[batch.image_ids, place].astype(bool)
            assert np.array_equal(masks[name], expected)
    (_, masks), *_ = masks_of(make_shard())
    assert list(masks) == ["lesion"]


def test_declared_masks_are_those_of_the_tasks():
    for task in ("", *TASKS):
        asked = registry.evaluations(CONFIG, "localisation", network_of(task=task))
        marked = task and "marker" in TASKS[task].parts
        assert {e.setting["mask"] for e in asked} == {"lesion", *(["marker"] if marked else [])}
        assert [str(e.setting) for e in asked if e.role == "primary"] == ["kind=mass;mask=lesion"]


def test_finding_masks_are_those_of_the_finding_explained():
    shard = several_shard()
    masks = np.random.default_rng(0).integers(0, 2, shard.dataset.finding_masks.shape, np.uint8)
    shard.dataset.finding_masks[:] = masks
    for batch, actual in masks_of(shard):
        expected = masks[batch.image_ids, batch.labels.numpy()].astype(bool)
        assert np.array_equal(actual["lesion"], expected)
