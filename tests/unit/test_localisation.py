"""Localisation: known numbers, ties, empty masks and blank maps."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import GivenMaps, planted_shard
from test_shard import as_rows, make_shard, stored_maps

from faithcam.metrics import localisation


def measured(values, mask):
    maps, masks = torch.tensor([values], dtype=torch.float32), torch.tensor([mask]).bool()
    found = localisation.localisation(maps[None], masks[None])
    return tuple(found[kind].item() for kind in ("pointing", "mass", "rank"))


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


def test_masks_are_the_lesion_and_the_parts_that_a_label_may_depend_on():
    shard = planted_shard(absent=[(1, 1)])
    raw = torch.rand(10, 16, 16)
    raw[2] = -raw[2]
    rows = localisation.score_shard(shard, GivenMaps(raw), {}).to_pylist()
    assert {row["setting"] for row in rows} == {
        f"kind={kind};mask={mask}"
        for kind in ("pointing", "mass", "rank")
        for mask in ("lesion", "marker")
    }
    status = {(r["setting"].split("=")[-1], r["image_id"]): r["status"] for r in rows}
    assert status["lesion", 1] == status["marker", 0] == "ok"
    assert status["marker", 1] == "empty_mask"
    assert status["lesion", 2] == "blank_map"
    assert all((row["status"] == "ok") == (row["value"] == row["value"]) for row in rows)
    for row in rows:
        if row["setting"] == "kind=mass;mask=marker" and row["status"] == "ok":
            positive = raw[row["image_id"]].clamp(min=0).double()
            mask = torch.from_numpy(shard.dataset.part_masks[row["image_id"], 1])
            assert row["value"] == pytest.approx(float((positive * mask).sum() / positive.sum()))


def test_negative_relevance_is_cut_off_before_maps_are_upsampled():
    shard = planted_shard()
    raw = torch.full((10, 2, 2), -5.0)
    raw[:, 0, 0] = 1
    mask = np.zeros_like(shard.dataset.masks)
    mask[:, 8:, 8:] = 1
    data = replace(shard.dataset, masks=mask)
    rows = localisation.score_shard(replace(shard, dataset=data), GivenMaps(raw), {}).to_pylist()
    (value,) = {r["value"] for r in rows if r["setting"] == "kind=mass;mask=lesion"}
    # a quarter of a separable hat that is 1 up to pixel 3 and falls to 0 at pixel 12, rows alike
    hat = np.clip(1 - (np.arange(16) - 3.5) / 8, 0, 1)
    assert value == pytest.approx((hat[8:].sum() / hat.sum()) ** 2, rel=1e-5)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_shards_and_padding_change_no_row_of_localisation(tmp_path, head):
    def scores(start, stop):
        shard = planted_shard(absent=[(1, 1)], head=head, start=start, stop=stop)
        loaded, _, _ = stored_maps(shard, ["hirescam", "random"], tmp_path)
        return {"scores": localisation.score_shard(shard, loaded, {})}

    parts = [scores(start, stop) for start, stop in ((0, 4), (4, 8), (8, 10))]
    assert as_rows([scores(0, 10)], "scores") == as_rows(parts, "scores")


def test_data_sets_without_planted_parts_have_their_lesion_masks():
    shard = make_shard()
    rows = localisation.score_shard(shard, GivenMaps(torch.rand(10, 4, 4)), {}).to_pylist()
    assert {row["setting"].split(";")[1] for row in rows} == {"mask=lesion"}
    assert {row["status"] for row in rows} == {"empty_mask"}
