"""Infidelity: known numbers, the best scale, the squares, an exact map."""

import pytest
import torch
from planted import GivenMaps
from test_further_metrics import frame_of
from test_shard import BATCH, make_shard
from torch import nn

from faithcam.explain import maps_of
from faithcam.metrics import (
    infidelity,
)
from faithcam.models.camnet import CamNet


def test_infidelity_by_hand():
    predicted = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    changes = torch.tensor([[2.0, 1.0], [4.0, 3.0]])
    found = infidelity.infidelity(predicted, changes)
    assert found["raw"].tolist() == [2.5, 5.0]
    assert found["best"].tolist() == [0.0, 5.0]  # twice the map; a blank map stays blank


def test_no_scale_is_better_than_the_best():
    random = torch.Generator().manual_seed(0)
    predicted, changes = torch.randn(2, 9, 5, generator=random)
    best = infidelity.infidelity(predicted, changes)["best"]
    for factor in torch.linspace(0, 3, 31):
        assert (infidelity.infidelity(factor * predicted, changes)["raw"] >= best - 1e-12).all()


def test_a_map_of_the_wrong_sign_is_worse_under_any_scale():
    predicted, changes = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [3.0]])
    right, wrong = (infidelity.infidelity(sign * predicted, changes)["best"] for sign in (1, -1))
    assert right.item() == pytest.approx(13 / 2 - 64 / 10)
    assert wrong.item() == pytest.approx(13 / 2)  # as good as none at all


def test_squares_have_every_side_and_fill_their_place():
    numbers = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    masks = infidelity.squares(numbers, (4, 5))
    sides = masks.any(2).sum(1)
    assert torch.equal(sides, masks.any(1).sum(1))
    assert torch.equal(masks.sum((1, 2)), sides**2)
    assert sorted(set(sides.tolist())) == [1, 2, 3, 4]
    assert torch.bincount(sides)[1:].min() > 900
    assert (masks.float().mean(0) > 0.15).all()
    assert masks[sides == 4][:, :, 0].any()
    assert masks[sides == 4][:, :, 4].any()


def test_the_contributions_of_a_linear_patch_net_predict_every_change(monkeypatch):
    shard = make_shard(stop=BATCH)
    with torch.no_grad():
        features = nn.Conv2d(3, 5, 4, 4, bias=False)
        model = CamNet(features, nn.Linear(80, 3), "flatten").eval()
    shard = shard.__class__(**{**shard.__dict__, "model": model})
    # what is replaced turns grey: A is 0 there
    monkeypatch.setattr(type(shard), "noise", lambda self, b, p, d, s: torch.zeros(BATCH, *s))
    (batch,) = shard.batches()
    with torch.no_grad():
        A = model.activations(batch.images)
        raw = maps_of(model, A, batch.predicted, ["gradcam", "hirescam"], "centred")
    for method, shown in raw.items():
        frame = frame_of("infidelity", shard, GivenMaps(shown))
        worst = frame[frame["setting"].str.contains("scale=raw")]["value"].max()
        assert (worst < 1e-9) == (method == "hirescam")
