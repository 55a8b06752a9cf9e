"""Deletion and insertion: areas, and the curves that they are under."""

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from planted import GivenMaps
from test_shard import BATCH, make_shard

from faithcam.metrics import (
    deletion,
    insertion,
)
from faithcam.metrics.removal import Removal, grid


def test_the_area_is_that_of_trapezoids():
    probability = torch.tensor([0.9, 0.5, 0.1, 0.2])
    logits = torch.stack([probability.log(), (1 - probability).log()], 1)[None]
    expected = np.trapezoid(probability, dx=1 / 3)
    assert deletion.area(logits, torch.tensor([0])).item() == pytest.approx(expected)


def test_inserting_is_deleting_backwards():
    model, images, classes = random_net(), random_images(), torch.tensor([0, 1, 2, 0])
    order = torch.stack([torch.randperm(16) for _ in range(4)])
    removal, regions, blank = Removal(model), grid((16, 16), (4, 4)), torch.zeros(4, 3, 16, 16)
    forth = removal.logits(images, [order], regions, [blank])[0, 0]
    back = removal.logits(blank, [order.flip(1)], regions, [images])[0, 0]
    assert torch.allclose(
        deletion.area(forth.detach(), classes), deletion.area(back.detach(), classes)
    )


@pytest.mark.parametrize("metric", [deletion, insertion])
def test_curves_go_from_one_image_to_the_other_in_the_maps_order(metric):
    shard, raw = make_shard(stop=BATCH), torch.rand(10, 4, 4)
    rows = metric.score_shard(shard, GivenMaps(raw), {}).to_pylist()
    (batch,) = shard.batches()
    grey = torch.zeros_like(batch.images)
    (blur,) = insertion.replacements(shard, batch, "blur", 0, 1)
    state, end = (batch.images, grey) if metric is deletion else (blur, batch.images)
    states, state = [state], state.clone()
    for n, order in enumerate(raw[:BATCH].flatten(1).argsort(1, descending=True).T):
        for i, cell in enumerate(order.tolist()):
            where = np.s_[i, :, 4 * (cell // 4) :, 4 * (cell % 4) :]
            state[where][:, :4, :4] = end[where][:, :4, :4]
        states.append(state.clone())
        assert n < 16
    with torch.no_grad():
        curve = torch.stack([shard.model(s).softmax(1) for s in states], 1)
    curve = curve[torch.arange(BATCH), :, batch.predicted].double()
    expected = (curve[:, :1] + curve[:, -1:]).squeeze() / 2 + curve[:, 1:-1].sum(1)
    assert [row["value"] for row in rows] == pytest.approx((expected / 16).tolist(), abs=1e-6)
