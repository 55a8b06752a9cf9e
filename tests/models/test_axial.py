"""AxialNet: the laws of maps that are volumes, and where the 1/S of the mean over slices stands."""

import pytest
import torch
from networks import SLICES, axial_net, volumes, with_statistics
from torch import nn

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.maps.explain import autograd_gradients, explain, gradients
from faithcam.maps.laws import check_images
from faithcam.models import registry, torchvision_nets
from faithcam.models.axialnet import AxialNet
from faithcam.models.camnet import CamNet
from faithcam.models.families import axial
from faithcam.models.inference import for_inference
from faithcam.results.laws import demand

CLASSES = torch.tensor([0, 2])


def scores(model, images, explained_score):
    with torch.no_grad():
        logits = model(images) - model.classifier.bias
    chosen = logits.gather(1, CLASSES[:, None])[:, 0]
    return chosen - logits.mean(1) if explained_score == "centred" else chosen


def test_the_hand_computed_logits_of_two_slices():
    classifier = nn.Linear(1, 1)
    classifier.load_state_dict({"weight": torch.tensor([[2.0]]), "bias": torch.ones(1)})
    volume = torch.tensor([4.0, 8.0]).reshape(1, 2, 1, 1, 1)
    model = AxialNet(nn.Identity(), classifier, "flatten")
    assert model(volume).tolist() == [[13.0]]  # ((2 * 4 + 1) + (2 * 8 + 1)) / 2
    assert model.cell_weights((1, 2, 1, 1)).flatten().tolist() == [1.0, 1.0]
    maps = explain(model, volume, torch.tensor([0]), ["hirescam"])["hirescam"]
    assert maps.tolist() == [[[[4.0]], [[8.0]]]]  # 13 = 4 + 8 + 1


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_logits_are_the_mean_of_the_slices_logits(head):
    model, images = axial_net(head), volumes()
    one = CamNet(model.features, model.classifier, head)
    with torch.no_grad():
        each = torch.stack([one(images[:, s]) for s in range(SLICES)])
        A = model.activations(images)
        assert tuple(A.shape) == (2, 5, SLICES, 4, 4)
        before = A.clone()
        assert torch.allclose(model.logits(A), each.mean(0), atol=1e-6)
    assert torch.equal(A, before)


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_hirescam_adds_up_over_all_slices_and_gradcam_does_not(explained_score):
    model, images = axial_net(), volumes()
    maps = explain(model, images, CLASSES, ["hirescam", "gradcam"], explained_score=explained_score)
    score = scores(model, images, explained_score)
    assert tuple(maps["hirescam"].shape) == (2, SLICES, 4, 4)
    assert torch.allclose(maps["hirescam"].sum((1, 2, 3)), score, atol=1e-5)
    assert not torch.allclose(maps["gradcam"].sum((1, 2, 3)), score, atol=1e-3)


def test_gradcam_averages_over_slices_and_places():
    model, images = axial_net(), volumes()
    with torch.no_grad():
        A = model.activations(images)
    W = model.cell_weights(A.shape)[CLASSES]
    alpha = W.flatten(2).mean(2)
    expected = (alpha[:, :, None, None, None] * A).sum(1)
    actual = explain(model, images, CLASSES, ["gradcam"])["gradcam"]
    assert torch.allclose(actual, expected, atol=1e-6)
    covariance = ((W * A).flatten(2).mean(2) - alpha * A.flatten(2).mean(2)).sum(1)
    gap = scores(model, images, "logit") - actual.sum((1, 2, 3))
    assert torch.allclose(gap, SLICES * 16 * covariance, atol=1e-5)


@pytest.mark.parametrize("head", ["flatten", "gap"])
@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_closed_form_is_autograd(head, explained_score):
    model = axial_net(head)
    A = model.activations(volumes()).detach()
    closed = gradients(model, A, CLASSES, explained_score)
    assert closed.shape == (A.shape if head == "flatten" else (2, 5, 1, 1, 1))
    by_autograd = autograd_gradients(model, A, CLASSES, explained_score)
    assert torch.allclose(closed.expand_as(A), by_autograd, atol=1e-7)


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_gap_twins_are_the_same_to_the_bit_and_cam_is_z_times_them(explained_score):
    model = axial_net("gap")
    maps = explain(
        model, volumes(), CLASSES, ["cam", "gradcam", "hirescam"], explained_score=explained_score
    )
    assert torch.equal(maps["gradcam"], maps["hirescam"])
    assert torch.allclose(maps["cam"] / (SLICES * 16), maps["gradcam"], rtol=1e-5)


def test_a_slice_set_to_zero_lowers_the_score_by_its_part_of_the_map():
    model, images = axial_net(), volumes()
    with torch.no_grad():
        A = model.activations(images)
        without = A.clone()
        without[:, :, 1] = 0
        fall = (model.logits(A) - model.logits(without)).gather(1, CLASSES[:, None])[:, 0]
    maps = explain(model, images, CLASSES, ["hirescam"])["hirescam"]
    assert torch.allclose(fall, maps[:, 1].sum((1, 2)), atol=1e-5)


def test_slices_are_read_one_by_one_in_any_order_and_number():
    model, images = axial_net(), volumes()
    order = [2, 0, 1]
    for name, actual in explain(model, images, CLASSES, ["hirescam", "gradcam"]).items():
        moved = explain(model, images[:, order], CLASSES, [name])[name]
        assert torch.allclose(moved, actual[:, order], atol=1e-6)
        # a slice alone explains itself S times as strongly as within S slices
        alone = explain(model, images[:, :1], CLASSES, [name])[name]
        assert torch.allclose(alone / SLICES, actual[:, :1], atol=1e-6)


def test_volumes_and_images_are_not_mixed_up():
    with pytest.raises(FaithcamError, match=r"volumes \(N, S, C, H, W\) expected, \(2, 3, 16, 16"):
        axial_net()(torch.zeros(2, 3, 16, 16))


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_every_law_is_checked_on_volumes(head):
    model, images = axial_net(head), volumes()
    actual = check_images(model, images, CLASSES)
    assert len(actual) == (8 if head == "flatten" else 14)
    for check in actual:
        demand(check, "model", [0, 1])


def test_a_missing_mean_over_slices_breaks_completeness():
    class Forgetful(AxialNet):
        def cell_weights(self, shape):
            return super().cell_weights(shape) * shape[-3]

    broken = axial_net()
    broken.__class__ = Forgetful
    failed = {
        check.name
        for check in check_images(broken, volumes(), CLASSES)
        if not bool((check.errors <= 1).all())
    }
    assert "completeness of hirescam, logit" in failed
    assert "closed form = autograd, gradcam, logit" in failed


def test_other_heads_of_the_same_features_are_for_volumes_too():
    model = axial_net()
    other = model.with_classifier(nn.Linear(80, 3))
    assert type(other) is AxialNet
    assert other.features is model.features


def test_inference_keeps_the_function():
    with torch_seed("axial"):
        model = with_statistics(registry.build("axial_small", "flatten", 4, 32)).eval()
    images = volumes(2, 3, 32)
    fast = for_inference(model, (32, 32))
    assert isinstance(fast, AxialNet)
    assert len([m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]) == 0
    with torch.no_grad():
        assert torch.allclose(fast(images), model(images), atol=1e-5)
    for name, actual in explain(model, images, CLASSES, ["hirescam", "gradcam"]).items():
        assert torch.allclose(explain(fast, images, CLASSES, [name])[name], actual, atol=1e-5)
    assert isinstance(fast.with_classifier(model.classifier), type(fast))


def test_the_published_network_has_6_by_6_cells_of_16_channels_at_420_px():
    features = axial.features("axial_resnet18").to("meta").eval()
    slices = torch.zeros(2, 3, 420, 420, device="meta")
    assert tuple(features(slices).shape) == (2, 16, 6, 6)
    shapes = [tuple(layer.weight.shape) for layer in features.reduction[::2]]
    assert shapes == [(64, 512, 3, 3), (32, 64, 3, 3), (16, 32, 3, 3), (16, 16, 3, 3)]
    spec = registry.check("axial_resnet18", 420)
    assert spec.cells(420) == 6
    model = registry.build("axial_small", "flatten", 83, 64)
    assert (model.classifier.in_features, model.classifier.out_features) == (16 * 8 * 8, 83)


def test_imagenet_weights_fill_the_trunk_alone():
    state = torchvision_nets.network("resnet18").state_dict()
    trunk = registry.imagenet_features("axial_resnet18", state)
    parameters = axial.features("axial_resnet18").state_dict()
    assert {key for key in parameters if key.startswith("trunk.")} == set(trunk)
    assert torch.equal(trunk["trunk.conv1.weight"], state["conv1.weight"])
