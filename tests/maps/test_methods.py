"""Every further map method: its law, an independent computation, and what it costs."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from networks import Counting, random_images, random_net
from shards import make_shard
from torch import nn

from faithcam.core.explained import scores
from faithcam.core.seeding import Streams, torch_seed
from faithcam.maps import pixels, registry
from faithcam.maps.explain import explain, maps_of, network_of
from faithcam.maps.method import ExplainedNetwork
from faithcam.maps.methods import integrated_gradients, smoothgrad
from faithcam.maps.methods.ablationcam import ablationcam
from faithcam.maps.methods.eigencam import eigencam
from faithcam.maps.methods.eigengradcam import eigengradcam
from faithcam.maps.methods.gradcam_elementwise import gradcam_elementwise
from faithcam.maps.methods.layercam import layercam
from faithcam.maps.methods.xgradcam import xgradcam
from faithcam.models import registry as models
from faithcam.models.camnet import CamNet
from faithcam.running import explaining as maps

CLASSES = torch.tensor([0, 2, 1, 2])
IDS = [3, 1, 2, 0]
OF_A = ["xgradcam", "layercam", "gradcamplusplus", "gradcam_elementwise", "eigencam"]
OF_A += ["eigengradcam", "ablationcam"]
OF_PIXELS = ["gradient_x_input", "integrated_gradients", "smoothgrad", "occlusion"]
SAMPLED = ["shapley_4", "shapley_16", "shapley_64"]
NEW = [*OF_A, "scorecam", *OF_PIXELS, *SAMPLED]
TRAINING = random_images(5, seed=3)
CASES = [
    (head, explained_score)
    for head in ("flatten", "gap")
    for explained_score in ("logit", "centred")
]


def numbers(*shape, seed=0):
    with torch_seed("methods", seed):
        return torch.randn(shape)


def maps_for(model, images, methods, explained_score="logit", classes=CLASSES, ids=IDS):
    given = {"images": images, "image_ids": ids, "streams": Streams(1, "d", "m")}
    given["backgrounds"] = lambda draw: torch.stack([TRAINING[(i + draw) % 5] for i in ids])
    with torch.inference_mode():
        return maps_of(model, model.activations(images), classes, methods, explained_score, given)


class Opaque(nn.Module):
    """A network that does not say that its logits are linear in A."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def activations(self, images):
        return self.inner.activations(images)

    def logits(self, activations):
        return self.inner.logits(activations)

    def forward(self, images):
        return self.inner(images)


def test_all_new_methods_are_here():
    assert set(NEW) <= set(registry.METHODS)
    assert {name for name in registry.METHODS if registry.METHODS[name].source[:2] != "do"} == {
        *NEW, "cam", "gradcam", "hirescam"
    }  # fmt: skip


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_adding_a_vector_to_all_classes_changes_no_centred_map(head):
    model, images = random_net(head), random_images()
    before = {
        explained_score: maps_for(model, images, NEW, explained_score)
        for explained_score in ("logit", "centred")
    }
    with torch.no_grad():
        model.classifier.weight += numbers(model.classifier.in_features)
    after = {
        explained_score: maps_for(model, images, NEW, explained_score)
        for explained_score in ("logit", "centred")
    }
    for name in NEW:
        same = torch.allclose(before["centred"][name], after["centred"][name], rtol=1e-3, atol=1e-5)
        assert same, name
        moved = before["logit"][name] - after["logit"][name]
        assert (moved.abs().max() > 1e-3) == (name != "eigencam"), name


@pytest.mark.parametrize(("head", "explained_score"), CASES)
def test_without_a_closed_form_the_maps_are_the_same(head, explained_score):
    model, images = random_net(head), random_images()
    names = [name for name in NEW if name != "ablationcam"]
    closed, opaque = (maps_for(m, images, names, explained_score) for m in (model, Opaque(model)))
    for name in names:
        assert torch.allclose(closed[name], opaque[name], atol=1e-6), name
    with pytest.raises(ValueError, match="ablationcam needs a network with head flatten or gap"):
        maps_for(Opaque(model), images, ["ablationcam"])


@pytest.mark.parametrize("name", NEW)
def test_a_map_depends_on_its_image_and_class_alone(name):
    model, images = random_net(), random_images()
    whole = maps_for(model, images, [name])[name]
    part = maps_for(model, images[1:3], [name], classes=CLASSES[1:3], ids=IDS[1:3])[name]
    assert torch.allclose(whole[1:3], part, atol=1e-6)
    other = maps_for(model, images, [name], classes=(CLASSES + 1) % 3)[name]
    assert torch.equal(whole, other) == (name == "eigencam")


@pytest.mark.parametrize("relu", [True, False])
def test_xgradcam_adds_up_to_what_hirescam_does(relu):
    model, images = random_net(relu=relu), random_images()
    both = explain(model, images, CLASSES, ["xgradcam", "hirescam"])
    sums = {name: part.sum((1, 2)) for name, part in both.items()}
    assert torch.allclose(sums["xgradcam"], sums["hirescam"], atol=1e-5)
    assert not torch.allclose(both["xgradcam"], both["hirescam"], atol=1e-2)
    A = torch.zeros(1, 2, 3, 3)
    A[:, 1] = 2
    assert torch.equal(xgradcam(A, torch.ones_like(A)), A[:, 1])  # a dead channel has no weight


def test_layercam_is_hirescam_without_negative_weights():
    A, gradients = numbers(2, 3, 4, 4), numbers(2, 3, 4, 4, seed=1)
    for i in range(4):
        for j in range(4):
            expected = sum(max(gradients[0, k, i, j], 0) * A[0, k, i, j] for k in range(3))
            assert math.isclose(layercam(A, gradients)[0, i, j], expected, abs_tol=1e-6)
    assert torch.equal(layercam(A.abs(), gradients), gradcam_elementwise(A.abs(), gradients))
    assert not torch.allclose(layercam(A, gradients), gradcam_elementwise(A, gradients), atol=0.1)


def test_gradcamplusplus_has_the_paper_s_weights():
    model, images = random_net().double(), random_images().double()
    A = model.activations(images).detach()
    expected = torch.zeros(4, 4, 4).double()
    for n, c in enumerate(CLASSES.tolist()):
        for k in range(A.shape[1]):
            weight = 0.0
            for i in range(4):
                for j in range(4):
                    entry = A[n, k, i, j].clone().requires_grad_()
                    mask = torch.zeros_like(A[n])
                    mask[k, i, j] = 1
                    score = model.logits((A[n] * (1 - mask) + mask * entry)[None])[0, c].exp()
                    (first,) = torch.autograd.grad(score, entry, create_graph=True)
                    (second,) = torch.autograd.grad(first, entry, create_graph=True)
                    (third,) = torch.autograd.grad(second, entry)
                    alpha = second / (2 * second + A[n, k].sum() * third)
                    weight += float((alpha * first.clamp(min=0) / score).detach())
            expected[n] += weight * A[n, k]
    computed = explain(model, images, CLASSES, ["gradcamplusplus"])["gradcamplusplus"]
    assert torch.allclose(computed, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("head", "explained_score"), CASES)
@pytest.mark.parametrize("relu", [True, False])
def test_ablationcam_needs_no_pass_where_logits_are_linear(head, explained_score, relu):
    model, images = random_net(head, relu=relu), random_images()
    with torch.no_grad():
        A = model.activations(images)
        whole = scores(model.logits(A), CLASSES, explained_score)
        expected = torch.zeros_like(A[:, 0])
        for k in range(A.shape[1]):
            ablated = A.clone()
            ablated[:, k] = 0
            fall = whole - scores(model.logits(ablated), CLASSES, explained_score)
            expected += (fall / whole.abs())[:, None, None] * A[:, k]
    counting = Counting(model)
    computed = maps_for(counting, images, ["ablationcam"], explained_score)["ablationcam"]
    assert torch.allclose(computed, expected, atol=1e-5)
    assert counting.passes == 1
    ones = torch.ones(1, 1, 2, 2)
    assert torch.equal(ablationcam(ones, ones, torch.zeros(1)), 4 * ones[0])


def test_ablationcam_keeps_its_sign_where_the_score_is_negative():
    A, gradients = numbers(1, 3, 4, 4).abs(), numbers(1, 3, 4, 4, seed=1)
    positive, negative = (ablationcam(A, gradients, torch.tensor([y])) for y in (2.0, -2.0))
    assert torch.equal(positive, negative)


@pytest.mark.parametrize("relu", [True, False])
def test_eigencam_is_the_first_singular_vector(relu):
    with torch.no_grad():
        A = random_net(relu=relu).activations(random_images())
    computed = eigencam(A)
    for part, features in zip(computed, A, strict=True):
        cells = features.flatten(1).T
        _, _, directions = torch.linalg.svd(cells)
        projected = (cells @ directions[0]).reshape(4, 4)
        assert torch.allclose(part.abs(), projected.abs(), atol=1e-5)
        assert part.sum() > 0
    assert (computed > -1e-6).all() or not relu
    assert not eigencam(torch.zeros(1, 3, 4, 4)).any()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_of_an_eigenvector_decides_nothing(monkeypatch, sign):
    A, gradients = numbers(3, 4, 5, 5), numbers(3, 4, 5, 5, seed=1)
    before = eigencam(A), eigengradcam(A, gradients)
    eigh = torch.linalg.eigh

    def turned(matrix):
        values, vectors = eigh(matrix)
        return values, sign * vectors

    monkeypatch.setattr(torch.linalg, "eigh", turned)
    assert torch.equal(before[0], eigencam(A))
    assert torch.equal(before[1], eigengradcam(A, gradients))


def test_eigengradcam_turns_with_the_evidence():
    A, gradients = numbers(3, 4, 5, 5), numbers(3, 4, 5, 5, seed=1)
    computed = eigengradcam(A, gradients)
    assert torch.allclose(eigengradcam(A, -gradients), -computed, atol=1e-5)
    assert ((computed * (A * gradients).sum(1)).sum((1, 2)) > 0).all()
    assert torch.allclose(computed.sum((1, 2)), torch.zeros(3), atol=1e-4)


@pytest.mark.parametrize(("head", "explained_score"), CASES)
def test_scorecam_weighs_channels_by_the_images_they_leave(head, explained_score):
    model, images = random_net(head, relu=False), random_images()
    with torch.no_grad():
        A = model.activations(images)
        A[:, 3] = 0.5  # a constant channel hides everything
        model.activations = lambda x: A if x is images else CamNet.activations(model, x)
        expected = torch.zeros(4, 4, 4)
        for n in range(4):
            under = []
            for channel in A[n]:
                large = F.interpolate(channel[None, None], (16, 16), mode="bilinear",
                                      align_corners=True)[0, 0]  # fmt: skip
                span = large.max() - large.min()
                mask = (large - large.min()) / span if span else large * 0
                logits = model(images[n : n + 1] * mask)
                under.append(scores(logits, CLASSES[n : n + 1], explained_score)[0])
            weights = torch.stack(under).exp()
            expected[n] = torch.einsum("k,khw->hw", weights / weights.sum(), A[n])
    computed = maps_for(model, images, ["scorecam"], explained_score)["scorecam"]
    assert torch.allclose(computed, expected, atol=1e-5)


def test_scorecam_s_passes_serve_all_classes_and_gauges():
    shard = make_shard(stop=4)
    counting = Counting(shard.model)
    counting.classifier = shard.model.classifier
    maps.compute(replace(shard, model=counting), ["scorecam"])
    assert counting.passes == 2 + 5  # one per channel beside those for maps and checks


@pytest.mark.parametrize(("size", "cells"), [(16, 4), (18, 5), (7, 3)])
def test_cells_take_all_pixels_once(size, cells):
    attributions = numbers(2, 3, size, size)
    computed = pixels.cell_sums(attributions, (cells, cells))
    for i in range(cells):
        rows = slice(i * size // cells, (i + 1) * size // cells)
        for j in range(cells):
            columns = slice(j * size // cells, (j + 1) * size // cells)
            expected = attributions[:, :, rows, columns].sum((1, 2, 3))
            assert torch.allclose(computed[:, i, j], expected, atol=1e-5)


def pixel_gradients(model, images, explained_score):
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(scores(model(leaf), CLASSES, explained_score).sum(), leaf)
    return gradient


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_gradient_x_input(explained_score):
    model, images = random_net(), random_images()
    expected = pixels.cell_sums(pixel_gradients(model, images, explained_score) * images, (4, 4))
    computed = maps_for(model, images, ["gradient_x_input"], explained_score)["gradient_x_input"]
    assert torch.allclose(computed, expected, atol=1e-6)


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_integrated_gradients_are_complete_and_follow_the_line(explained_score):
    model, images = random_net(), random_images()
    computed = maps_for(model, images, ["integrated_gradients"], explained_score)[
        "integrated_gradients"
    ]
    with torch.no_grad():
        rise = scores(model(images), CLASSES, explained_score) - scores(
            model(0 * images), CLASSES, explained_score
        )
    assert torch.allclose(computed.sum((1, 2)), rise, atol=2e-3)
    middles = (torch.arange(400) + 0.5) / 400
    mean = sum(pixel_gradients(model, share * images, explained_score) for share in middles) / 400
    assert torch.allclose(computed, pixels.cell_sums(mean * images, (4, 4)), atol=2e-3)
    assert integrated_gradients.STEPS == 50


def test_smoothgrad_has_keyed_noise(monkeypatch):
    model, images = random_net(), random_images()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    computed = maps_for(model, images, ["smoothgrad"])["smoothgrad"]
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(1)
    assert torch.equal(computed, maps_for(model, images, ["smoothgrad"])["smoothgrad"])
    other = maps_for(model, images, ["smoothgrad"], ids=[i + 10 for i in IDS])["smoothgrad"]
    assert not torch.equal(computed, other)
    monkeypatch.setattr(smoothgrad, "NOISE", 0)
    still = maps_for(model, images, ["smoothgrad"])["smoothgrad"]
    expected = pixels.cell_sums(pixel_gradients(model, images, "logit"), (4, 4))
    assert torch.allclose(still, expected, atol=1e-6)
    assert not torch.allclose(still, computed, atol=1e-4)


def test_smoothgrad_s_noise_is_normal_and_as_large_as_it_says():
    seen = []
    model, images = random_net(), random_images()
    original = model.activations
    model.activations = lambda x: seen.append(x.detach().clone()) or original(x)
    maps_for(model, images, ["smoothgrad"])
    noise = torch.stack(seen[1:]) - images  # the first pass is for A
    spread = images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    unit = noise / (0.15 * spread[:, None, None, None])
    assert len(noise) == 25
    assert abs(float(unit.mean())) < 0.01
    assert abs(float(unit.std()) - 1) < 0.01
    assert abs(float((unit.abs() < 1).double().mean()) - 0.6827) < 0.01


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
@pytest.mark.parametrize(("size", "cells"), [(16, 4), (18, 5)])
def test_occlusion_takes_one_cell_after_another(size, cells, explained_score):
    model, images = random_net(cells=cells), random_images(size=size)
    computed = maps_for(model, images, ["occlusion"], explained_score)["occlusion"]
    with torch.no_grad():
        whole = scores(model(images), CLASSES, explained_score)
        for i in range(cells):
            for j in range(cells):
                hidden = images.clone()
                rows = slice(i * size // cells, (i + 1) * size // cells)
                hidden[:, :, rows, j * size // cells : (j + 1) * size // cells] = 0
                fall = whole - scores(model(hidden), CLASSES, explained_score)
                assert torch.allclose(computed[:, i, j], fall, atol=1e-5)


SIGNED = {"xgradcam", "layercam", "gradcamplusplus", "eigencam", "ablationcam", "scorecam"}


def test_premises_that_fail_without_a_relu_are_stated():
    for name, method in registry.METHODS.items():
        for head in method.heads:
            assert method.supports(ExplainedNetwork(head)) == (True, "")
            able, caveat = method.supports(ExplainedNetwork(head, signed=True))
            assert able
            assert bool(caveat) == (name in SIGNED), name
        for head in {"flatten", "gap"} - {*method.heads}:
            able, reason = method.supports(ExplainedNetwork(head))
            assert (able, reason) == (False, f"needs a network with head {method.heads[0]}")


@pytest.mark.parametrize(
    ("architecture", "signed"),
    [("vgg_small", False), ("resnet34_thesis", True), ("vgg19_thesis", True), ("vgg11", False)],
)
def test_thesis_networks_have_activations_of_both_signs(architecture, signed):
    spec = models.ARCHITECTURES[architecture]
    size = spec.smallest_size()
    with torch_seed("premises"), torch.inference_mode():
        model = models.build(architecture, "gap", 2, size).eval()
        network = network_of(model, model.activations(random_images(2, size)))
    assert network == ExplainedNetwork("gap", signed, spec.channels, 4)


@pytest.mark.parametrize("relu", [True, False])
def test_a_job_prints_premises_that_fail(capsys, relu):
    shard = make_shard()
    shard = replace(shard, model=random_net(relu=relu))
    maps.compute(shard, ["gradcam", "layercam"])
    printed = capsys.readouterr().out
    assert printed.count("layercam: keeps positive gradients") == (not relu)
    assert "gradcam:" not in printed


def test_library_users_get_methods_that_need_passes():
    model, images = random_net(), random_images()
    names = [name for name in NEW if name not in ("smoothgrad", *SAMPLED)]
    assert list(explain(model, images, CLASSES, names)) == names
