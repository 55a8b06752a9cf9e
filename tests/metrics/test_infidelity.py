"""Infidelity: known numbers, the best scale, the squares, an exact map."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import Counting, random_images
from scored import CONFIG, frame_of, inputs_of, network_of
from torch import nn

from faithcam.core.seeding import Noise, Streams
from faithcam.core.setting import Setting
from faithcam.maps.explain import explain
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation, total_passes
from faithcam.metrics.faithfulness import infidelity
from faithcam.metrics.inputs import GivenMaps, Inputs
from faithcam.models.camnet import CamNet


def test_infidelity_by_hand():
    predicted = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    changes = torch.tensor([[2.0, 1.0], [4.0, 3.0]])
    actual = infidelity.infidelity(predicted, changes)
    assert actual["raw"].tolist() == [2.5, 5.0]
    assert actual["best"].tolist() == [0.0, 5.0]  # twice the map; a blank map stays blank


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


def test_the_unexplained_share_is_that_of_least_squares():
    predicted, changes = torch.randn(2, 12, 6, generator=torch.Generator().manual_seed(1)).double()
    changes = changes + 2 * predicted  # so that every factor is positive
    actual = infidelity.infidelity(predicted, changes)["r2"]
    for i, share in enumerate(actual.tolist()):
        x, y = predicted[:, i : i + 1].numpy(), changes[:, i].numpy()
        _, residual, _, _ = np.linalg.lstsq(x, y, rcond=None)
        assert share == pytest.approx(residual[0] / (y**2).sum())
    assert torch.allclose(infidelity.infidelity(predicted, 1000 * changes)["r2"], actual)
    for useless in (0 * predicted, -predicted):
        assert (infidelity.infidelity(useless, changes)["r2"] == 1).all()


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


class Grey(Noise):
    """What is replaced turns grey."""

    def symmetric(self, purpose, draw, shape):
        return torch.zeros(len(self.image_ids), *shape)


def test_the_contributions_of_a_linear_patch_net_predict_every_change():
    """As in a notebook: a network, images, classes, maps and an evaluation are enough."""
    features = nn.Conv2d(3, 5, 4, 4, bias=False)  # A is 0 where the image is grey
    model = CamNet(features, nn.Linear(80, 3), "flatten").eval()
    images, classes = random_images(), torch.tensor([0, 2, 1, 2])
    maps = explain(model, images, classes, ["gradcam", "hirescam"], explained_score="centred")
    noise = Grey(Streams(7, "mine", "net"), [3, 5, 8, 9])
    setting = Setting.of(samples=3, scale="raw", replicate=0)
    evaluation = Evaluation("infidelity", "strict", setting, ("gradcam", "hirescam"))
    with torch.no_grad():
        actual = infidelity.score(
            Inputs(model, images, classes, GivenMaps(maps), noise), [evaluation]
        )
    worst = {scored.method: scored.values.max() for scored in actual.scored}
    assert worst["hirescam"] < 1e-9
    assert worst["gradcam"] > 1e-6


def test_all_maps_share_the_passes_and_streams_differ():
    inputs, network = inputs_of(), network_of(controls=["sham"])
    counting = Counting(inputs.network)
    asked_for = []

    class Listening(Noise):
        def uniform(self, purpose, draw, shape):
            asked_for.append((purpose, draw))
            return super().uniform(purpose, draw, shape)

    noise = Listening(inputs.noise.streams, inputs.noise.image_ids)
    frame = frame_of("infidelity", replace(inputs, network=counting, noise=noise), network)
    asked = registry.evaluations(CONFIG, "infidelity", network)
    assert counting.passes == total_passes(asked) == 2 * 3 + 1
    values = frame[frame["method"] == "hirescam"].pivot(
        index="image", columns="setting", values="value"
    )
    one, other = (values[f"replicate={replicate};samples=3;scale=raw"] for replicate in (0, 1))
    assert (one != other).all()
    words = ("infidelity 0", "infidelity 1", "infidelity squares 0", "infidelity squares 1")
    assert sorted(asked_for) == [(purpose, draw) for purpose in words for draw in range(3)]


def test_the_scale_that_fits_best_is_primary():
    asked = registry.evaluations(CONFIG, "infidelity", network_of())
    primary = [str(evaluation.setting) for evaluation in asked if evaluation.role == "primary"]
    assert primary == ["replicate=0;samples=3;scale=best"]
