"""Feature-space AOPC: what zeroed cells cost, and that no order is better than HiResCAM's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from scored import frame_of, inputs_of, network_of

from faithcam.core.seeding import Noise, Streams, torch_seed
from faithcam.core.setting import Setting
from faithcam.maps.explain import explain, maps_of
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.feature_aopc import feature_aopc, score
from faithcam.metrics.inputs import GivenMaps, Inputs
from faithcam.removal.orders import additive_drops

CLASSES = torch.tensor([0, 2, 1, 2])
NAMES = ["gradcam", "hirescam", "random", "inverse", "sham"]


def orders(seed):
    with torch_seed("feature-space orders", seed):
        return torch.rand(4, 16).argsort(1)


def centred(model, activations):
    logits = model.logits(activations)
    return logits.gather(1, CLASSES[:, None])[:, 0] - logits.mean(1)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_feature_drops_are_what_zeroed_cells_cost(head):
    model, images = random_net(head, relu=False), random_images()
    with torch.no_grad():
        A = model.activations(images)
        faithful = maps_of(model, A, CLASSES, ["hirescam"], "centred")["hirescam"]
        order = orders(0)
        state, falls = A.flatten(2).clone(), [torch.zeros(4)]
        before = centred(model, A)
        for cell in order.T:
            state.scatter_(2, cell[:, None, None].expand(4, A.shape[1], 1), 0)
            falls.append(before - centred(model, state.view_as(A)))
    curve = additive_drops(faithful.flatten(1), order)
    assert torch.allclose(curve, torch.stack(falls, 1).double(), atol=1e-5)
    values = -order.argsort(1).view(4, 4, 4)  # a map that asks for this order
    assert torch.allclose(feature_aopc(faithful, values), curve.mean(1))


def test_hirescam_s_order_is_the_best_one_at_every_step():
    with torch.no_grad():
        faithful = inputs_of().raw(["hirescam"])["hirescam"].flatten(1)
    best = additive_drops(faithful, faithful.argsort(1, True))
    for seed in range(200):
        drops = additive_drops(faithful, orders(seed))
        assert (drops <= best + 1e-9).all()
        assert (drops[:, 1:-1] < best[:, 1:-1]).any(1).all()


@pytest.mark.parametrize("slices", [0, 3])
def test_hirescam_s_score_is_the_optimum_and_its_inverse_s_the_rest(slices):
    inputs = inputs_of(slices=slices)
    frame = frame_of("feature_aopc", inputs, network_of(methods=NAMES, slices=slices))
    frame = frame.pivot(index=["setting", "image"], columns="method", values="value")
    value, share = frame.loc["order=morf"], frame.loc["order=morf;scale=optimum"]
    assert (value["hirescam"] >= value.max(axis=1)).all()
    assert (value["inverse"] <= value.min(axis=1)).all()
    # the mean over both directions of one order is half of the whole, (L + 1) / 2 of L + 1 steps
    with torch.no_grad():
        total = inputs.raw(["hirescam"])["hirescam"].double().flatten(1).sum(1).numpy()
    assert np.allclose(value["hirescam"] + value["inverse"], total, atol=1e-5)
    positive = value["hirescam"] > 0
    assert positive.any()
    assert (share["hirescam"][positive] == 1).all()
    assert np.allclose(share["sham"][positive], (value["sham"] / value["hirescam"])[positive])


def test_without_an_optimum_there_is_no_share_of_it():
    inputs, names = inputs_of(), ["gradcam", "hirescam", "random"]
    with torch.no_grad():
        maps = {**inputs.raw(names), "hirescam": -torch.ones(4, 4, 4)}
    inputs = replace(inputs, maps=GivenMaps(maps))
    frame = frame_of("feature_aopc", inputs, network_of(methods=names))
    scaled = frame["setting"].str.contains("scale")
    assert frame.loc[scaled, "value"].isna().all()
    assert frame.loc[~scaled, "value"].notna().all()
    assert set(frame.loc[frame["method"] == "hirescam", "status"]) == {"undefined"}


def test_maps_are_enough():
    """As in a notebook: maps of a network, an evaluation, and numbers that break ties."""
    images = random_images()
    maps = explain(
        random_net(), images, CLASSES, ["hirescam", "gradcam"], explained_score="centred"
    )
    evaluation = Evaluation("feature_aopc", "strict", Setting.of(order="morf"), ("gradcam",))
    noise = Noise(Streams(7, "mine", "net"), [3, 5, 8, 9])
    (actual,) = score(Inputs(None, images, CLASSES, GivenMaps(maps), noise), [evaluation]).scored
    assert torch.equal(actual.values, feature_aopc(maps["hirescam"], maps["gradcam"]))
