"""The laws of the maps: completeness, the GAP identity, closed form = autograd, blank views."""

import pytest
import torch
from networks import Counting, random_images, random_net
from torch import nn

from faithcam.core import views
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import Streams
from faithcam.maps import registry
from faithcam.maps.explain import autograd_gradients, explain, gradients, maps_of
from faithcam.maps.method import Method
from faithcam.maps.methods.centre import centre
from faithcam.maps.methods.random import random
from faithcam.maps.methods.sobel import sobel

CLASSES = torch.tensor([0, 2, 1, 2])


class WithoutClosedForm(nn.Module):
    """A head with a hidden layer: only autograd can tell its gradient."""

    def __init__(self):
        super().__init__()
        self.inner = random_net()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(80, 7), nn.Tanh(), nn.Linear(7, 3))

    def activations(self, images):
        return self.inner.activations(images)

    def logits(self, activations):
        return self.hidden(activations)


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_hirescam_adds_up_to_the_class_score_and_gradcam_does_not(explained_score):
    model, images = random_net(), random_images()
    maps = explain(model, images, CLASSES, ["hirescam", "gradcam"], explained_score=explained_score)
    with torch.no_grad():
        logits = model(images) - model.classifier.bias
    score = logits.gather(1, CLASSES[:, None])[:, 0]
    if explained_score == "centred":
        score = score - logits.mean(1)
    assert torch.allclose(maps["hirescam"].sum((1, 2)), score, atol=1e-5)
    assert not torch.allclose(maps["gradcam"].sum((1, 2)), score, atol=1e-2)


def test_the_gap_between_gradcam_and_the_score_is_the_covariance():
    model, images = random_net(), random_images()
    with torch.no_grad():
        A, logits = model.activations(images), model(images)
    W = model.cell_weights(A.shape)[CLASSES]
    map_sum = explain(model, images, CLASSES, ["gradcam"])["gradcam"].sum((1, 2))
    score = logits.gather(1, CLASSES[:, None])[:, 0] - model.classifier.bias[CLASSES]
    covariance = (W * A).mean((2, 3)) - W.mean((2, 3)) * A.mean((2, 3))
    assert torch.allclose(score - map_sum, 16 * covariance.sum(1), atol=1e-5)


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_gap_twins_are_the_same_to_the_bit(explained_score):
    maps = explain(
        random_net("gap"),
        random_images(),
        CLASSES,
        ["cam", "gradcam", "hirescam"],
        explained_score=explained_score,
    )
    assert torch.equal(maps["gradcam"], maps["hirescam"])
    assert torch.allclose(maps["cam"] / 16, maps["gradcam"], rtol=1e-5)


def test_cam_is_the_weighted_sum_of_activations():
    model, images = random_net("gap"), random_images()
    with torch.no_grad():
        expected = torch.einsum(
            "nk,nkhw->nhw", model.classifier.weight[CLASSES], model.activations(images)
        )
    assert torch.allclose(explain(model, images, CLASSES, ["cam"])["cam"], expected, atol=1e-6)


@pytest.mark.parametrize("head", ["flatten", "gap"])
@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_closed_form_is_autograd(head, explained_score):
    model, images = random_net(head), random_images()
    A = model.activations(images).detach()
    closed = gradients(model, A, CLASSES, explained_score).detach().expand_as(A)
    assert torch.allclose(closed, autograd_gradients(model, A, CLASSES, explained_score), atol=1e-7)


def test_heads_without_closed_form_use_autograd():
    model, images = WithoutClosedForm().eval(), random_images()
    A = model.activations(images).detach()
    maps = explain(model, images, CLASSES, ["hirescam", "gradcam"])
    derivatives = autograd_gradients(model, A, CLASSES)
    assert torch.equal(maps["hirescam"], (derivatives * A).sum(1))
    assert torch.equal(maps["gradcam"], (derivatives.mean((2, 3), keepdim=True) * A).sum(1))


def test_adding_a_vector_to_all_classes_changes_only_the_logit_gauge():
    model, images = random_net(), random_images()
    before = {
        t: explain(model, images, CLASSES, ["hirescam"], explained_score=t)
        for t in ("logit", "centred")
    }
    with torch.no_grad():
        model.classifier.weight += torch.randn(80)
    after = {
        t: explain(model, images, CLASSES, ["hirescam"], explained_score=t)
        for t in ("logit", "centred")
    }
    assert torch.allclose(before["centred"]["hirescam"], after["centred"]["hirescam"], atol=1e-5)
    assert not torch.allclose(before["logit"]["hirescam"], after["logit"]["hirescam"], atol=1e-2)


def test_all_methods_share_one_forward_pass_and_need_no_backward_pass():
    model = Counting(random_net("gap"))
    explain(model, random_images(), CLASSES, ["cam", "gradcam", "hirescam"])
    assert (model.passes, model.images) == (1, 4)


def test_bad_requests_are_refused():
    model, images = random_net(), random_images()
    with pytest.raises(FaithcamError, match=r"hirscam.*choose from .*, gradcam, "):
        explain(model, images, CLASSES, ["hirscam"])
    with pytest.raises(
        ValueError, match=r"needs a network with head gap; this one has head flatten"
    ):
        explain(model, images, CLASSES, ["cam"])
    with pytest.raises(ValueError, match="needs a network with head gap"):
        explain(WithoutClosedForm(), images, CLASSES, ["cam"])
    with pytest.raises(ValueError, match="one class index per image"):
        explain(model, images, CLASSES[:1], ["gradcam"])
    with pytest.raises(ValueError, match="none negative"):
        explain(model, images, CLASSES - 1, ["gradcam"])
    with pytest.raises(ValueError, match="does not explain a network"):
        explain(model, images, CLASSES, ["random"])
    with pytest.raises(ValueError, match="'logit' or 'centred'"):
        maps_of(model, model.activations(images), CLASSES, ["gradcam"], "probability")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda activations: activations,
            r"test_explain: mine returned \(4, 5, 4, 4\).*\(4, 4, 4\)",
        ),
        (lambda activations: None, r"test_explain: mine returned NoneType"),
    ],
)
def test_a_method_that_returns_no_maps_is_named(monkeypatch, function, words):
    monkeypatch.setitem(registry.METHODS, "mine", Method(function, "nowhere"))
    with pytest.raises(FaithcamError, match=words):
        explain(random_net(), random_images(), CLASSES, ["mine"])


def test_baselines_depend_on_what_they_should():
    images, streams = random_images(), Streams(1, "d", "m")
    first = random(images, (4, 4), [3, 1, 2, 0], streams)
    assert torch.equal(first[1], random(images[:1], (4, 4), [1], streams)[0])
    assert not torch.equal(first, random(images, (4, 4), [3, 1, 2, 0], Streams(2, "d", "m")))
    middle = centre(images, (5, 5))[0]
    assert middle.argmax() == 12
    assert torch.allclose(middle, middle.flip(0))
    step = torch.zeros(1, 3, 16, 16)
    step[..., 8:] = 1
    edge = sobel(step, (4, 4))[0]
    assert torch.equal(edge, torch.tensor([0.0, 1.0, 1.0, 0.0]).expand(4, 4))


def test_scaled_view_spans_zero_to_one_and_blank_maps_stay_blank():
    maps = torch.stack(
        [torch.linspace(-1, 1, 16).reshape(4, 4), -torch.ones(4, 4), torch.ones(4, 4)]
    )
    view = views.scaled(maps, 16)
    assert view[0].min() == 0
    assert view[0].max() == pytest.approx(1, abs=1e-6)
    assert not view[1:].any()
    assert views.statuses(maps, "scaled") == ["ok", "blank_map", "undefined"]
    assert views.statuses(maps * 0, "signed") == ["blank_map"] * 3
    assert views.statuses(maps, "signed") == ["ok", "undefined", "undefined"]
    for bad in (torch.nan, torch.inf, -torch.inf):
        maps[0, 0, 0] = bad
        for view in ("signed", "scaled"):
            assert views.statuses(maps, view)[0] == "undefined"


def test_normalised_view_keeps_signs():
    maps = torch.linspace(-2, 1, 16).reshape(1, 4, 4)
    view = views.normalised(maps, 8)
    assert view.abs().max() == 1
    assert view.min() == -1
    assert not views.normalised(maps * 0, 8).any()


def test_upsampling_has_half_pixel_centres():
    assert torch.allclose(
        views.upsampled(torch.tensor([[[0.0, 4.0]]]), (1, 4)),
        torch.tensor([[[0.0, 1.0, 3.0, 4.0]]]),
    )
