"""Heads between spatially constant weights and the trained ones, and cells whose weights are 0."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_images, random_net
from scored import STRICT, alone_as_together, inputs_of, network_of, scores_of

from faithcam.core.seeding import Noise, Streams, generator
from faithcam.core.setting import Setting
from faithcam.maps.explain import gradients, maps_of
from faithcam.metrics import registry
from faithcam.metrics.controls.dose_response import dead_shares, interpolated, maps_at, trained_maps
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.curves import aopc_of
from faithcam.models.inference import for_inference
from faithcam.removal.orders import additive_drops, order_of

DOSES = [0, 0.25, 0.5, 1]
CONFIG = {**STRICT, "dose_response": {"doses": DOSES}}
NETWORK = network_of(methods=("gradcam", "hirescam"))
METHODS = ("hirescam", "gradcam", "sham")
CLASSES = torch.tensor([0, 2, 1, 2])
NOISE = Noise(Streams(1, "made", "net"), range(4))


def explained(model, seed=0):
    """Return the activations of some images and dy_c/dA, centred."""
    with torch.no_grad():
        A = model.activations(random_images(seed=seed))
        return A, gradients(model, A, CLASSES, "centred")


@pytest.mark.parametrize("prepared", [False, True])
def test_linear_maps_are_those_of_the_interpolated_head(prepared):
    model = for_inference(random_net(), (16, 16)) if prepared else random_net()
    A, derivatives = explained(model)
    for dose in DOSES:
        head = interpolated(model, [dose], A.shape)
        assert type(head) is type(model)
        assert head.features is model.features
        actual = maps_at(dose, trained_maps(A, derivatives, NOISE))
        with torch.no_grad():
            expected = maps_of(head, A, CLASSES, ["hirescam", "gradcam"], "centred")
            sloping = gradients(head, A, CLASSES, "centred")
            expected["sham"] = trained_maps(A, sloping, NOISE)["sham"]
        for name, raw in expected.items():
            assert torch.allclose(actual[name], raw, atol=1e-6), (dose, name)
    at_zero, at_one = (maps_at(dose, trained_maps(A, derivatives, NOISE)) for dose in (0, 1))
    assert all(torch.equal(raw, at_zero["gradcam"]) for raw in at_zero.values())
    assert all(
        torch.equal(raw, trained_maps(A, derivatives, NOISE)[name]) for name, raw in at_one.items()
    )


def test_heads_stand_side_by_side():
    model = random_net()
    A, _ = explained(model)
    with torch.no_grad():
        together = interpolated(model, DOSES, A.shape).logits(A).chunk(len(DOSES), 1)
        for dose, logits in zip(DOSES, together, strict=True):
            alone = interpolated(model, [dose], A.shape).logits(A)
            assert torch.allclose(logits, alone, atol=1e-6)
        assert torch.allclose(together[-1], model.logits(A), atol=1e-6)
        weights = interpolated(model, [0], A.shape).cell_weights(A.shape)
    assert torch.equal(weights, weights[:, :, :1, :1].expand_as(weights))


def test_the_hand_computed_sham():
    # 2 x 2 cells, one channel: of every image one of the seven others
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    turned = [weights.rot90(quarters) for quarters in range(4)]
    others = [*turned[1:], *(part.fliplr() for part in turned)]
    many = weights.expand(40, 1, 2, 2)
    noise = Noise(Streams(1, "made", "net"), range(40))
    actual = trained_maps(torch.ones_like(many), many, noise)["sham"]
    assert {str(raw.tolist()) for raw in actual} == {str(raw.tolist()) for raw in others}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.booleans())
def test_the_feature_space_advantage_is_zero_at_zero_convex_and_monotone(seed, relu):
    A, derivatives = explained(random_net(seed=seed, relu=relu), seed)
    trained = trained_maps(A, derivatives, NOISE)
    doses = np.linspace(0, 1, 11)
    advantage = []
    for dose in doses:
        output = maps_at(float(dose), trained)
        truth = output["hirescam"].flatten(1)
        scores = [
            aopc_of(additive_drops(truth, order_of(output[name].flatten(1)))) for name in METHODS
        ]
        advantage.append(scores[0] - scores[1])
        assert (scores[0] >= scores[2]).all()
    D = torch.stack(advantage)
    tolerance = 1e-6 * float(truth.abs().sum())
    assert not D[0].any()
    assert (D >= -1e-12).all()
    assert (D.diff(dim=0) >= -tolerance).all()
    assert (D.diff(n=2, dim=0) >= -tolerance).all()
    assert (D[-1] > 100 * tolerance).any()


def test_dead_cells_are_zero_in_hirescam_alone():
    A, derivatives = explained(random_net(relu=False))
    dead = torch.zeros(4, 4, dtype=torch.bool)
    dead[:, :2] = True
    shares = dead_shares(A, derivatives, dead, NOISE)
    assert not shares["hirescam"].any()
    assert (shares["gradcam"] > 0.1).all()
    weights = derivatives * ~dead
    raw = (weights.mean((2, 3), keepdim=True) * A).sum(1).double().abs()
    assert torch.allclose(shares["gradcam"], raw[:, :, :2].sum((1, 2)) / raw.sum((1, 2)))


def test_at_dose_one_the_scores_are_those_of_the_metrics():
    inputs = inputs_of(places=range(6))
    actual = scores_of("dose_response", inputs, NETWORK, **CONFIG).by_method()
    aopc = "draws=2;imputer=noise;order=morf;output=probability;region=native;replicate=0"
    for metric, setting in (
        ("aopc", aopc),
        ("max_sensitivity", "radius=0.3;replicate=0;samples=2;version=relative"),
        ("haas", "explained_class=predicted;outcome=kept"),
    ):
        theirs = scores_of(metric, inputs, NETWORK, **CONFIG).by_method()
        for method in ("gradcam", "hirescam"):
            computed = actual[f"metric={metric};t=1.0", method]
            assert torch.allclose(computed, theirs[setting, method].double(), atol=1e-6)


def test_at_dose_zero_all_maps_are_one_and_doses_are_zero_there_alone():
    actual = scores_of("dose_response", inputs_of(places=range(6)), NETWORK, **CONFIG).by_method()
    for metric in ("aopc", "feature_aopc", "haas", "max_sensitivity"):
        one, *others = (actual[f"metric={metric};t=0.0", method] for method in METHODS)
        assert all(torch.equal(one, other) for other in others)
    for (text, method), values in actual.items():
        setting = Setting.parse(text)
        if setting["metric"] == "dose":
            if setting["t"] == "0.0":
                assert values.abs().max() < 1e-9
            else:  # a few cells may keep their order
                assert (values > 1e-9).all() or setting["kind"] == "rank"
        if setting["metric"] == "dead_zone":
            assert ((values == 0) == (method == "hirescam")).all()


def test_the_dead_zone_is_a_keyed_half_of_the_cells_of_a_network():
    inputs = inputs_of(places=range(6))
    actual = scores_of("dose_response", inputs, NETWORK, **CONFIG).by_method()
    random = generator(1, "made", "net", "dead zone").permutation(16)
    with torch.no_grad():
        A = inputs.network.activations(inputs.images)
        derivatives = gradients(inputs.network, A, inputs.classes, "centred")
        dead = torch.from_numpy(random < 8).view(4, 4)
        shares = dead_shares(A, derivatives, dead, inputs.noise)
    for method, values in shares.items():
        assert torch.equal(actual["kind=share;metric=dead_zone", method], values)


def test_every_dose_is_declared_and_numbers_that_are_no_scores_are_facts():
    asked = registry.evaluations(CONFIG, "dose_response", NETWORK)
    metrics = ("aopc", "feature_aopc", "haas", "max_sensitivity")
    scores = {f"metric={metric};t={float(t)}" for metric in metrics for t in DOSES}
    doses = {f"kind={k};metric=dose;t={float(t)}" for k in ("rank", "norm") for t in DOSES}
    assert {str(e.setting): (e.role, e.methods) for e in asked} == {
        **dict.fromkeys(scores, ("variant", METHODS)),
        **dict.fromkeys(doses, ("fact", ("hirescam", "sham"))),
        "kind=share;metric=dead_zone": ("fact", METHODS),
    }


def test_grad_cam_is_asked_about_once():
    # 1 + 2 * 3 maps: removal in 16 cells, 2 draws, and an assisted image; 2 samples, the image
    asked = registry.evaluations(CONFIG, "dose_response", NETWORK)
    assert total_passes(asked) == 7 * (16 * 2 + 1) + 2 + 1


def test_images_do_not_change_each_others_scores():
    assert alone_as_together("dose_response", NETWORK, CONFIG)
