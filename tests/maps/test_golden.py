"""Numbers from independent implementations: maps and curves to 1e-5, norms to 5e-5.

Maps: pytorch-grad-cam 1.5.7. Metrics: the published code of the thesis, with stored noise.
"""

import peers
import pytest
import torch

from faithcam.core import views
from faithcam.maps.explain import explain, gradients
from faithcam.maps.methods.eigencam import first_component
from faithcam.metrics.faithfulness.aopc import perturbation_drops
from faithcam.metrics.faithfulness.haas import heatmap_assisted
from faithcam.metrics.robustness.max_sensitivity import max_sensitivity
from faithcam.removal.grid import region_means
from faithcam.removal.orders import order_of

METHODS = ["gradcam", "hirescam"]


@pytest.fixture(scope="module", params=["flatten", "gap"])
def golden(request):
    return peers.golden(request.param)


def close(actual, expected, tolerance):
    assert (actual - expected).abs().max() <= tolerance


def test_forward(golden):
    model, numbers = golden
    with torch.no_grad():
        close(model.activations(numbers["images"]), numbers["activations"], 1e-5)
        close(model(numbers["images"]), numbers["logits"], 1e-5)


def test_raw_and_scaled_maps(golden):
    model, numbers = golden
    for explained_class, classes in (("pred", numbers["predicted"]), ("label", numbers["labels"])):
        maps = explain(model, numbers["images"], classes, METHODS)
        for method in METHODS:
            if explained_class == "pred":
                close(maps[method], numbers[f"{method}.pred.raw"], 1e-5)
            expected = numbers[f"{method}.{explained_class}.scaled_upsampled"]
            close(views.scaled(maps[method], 32), expected, 1e-5)


@pytest.mark.parametrize("method", ["xgradcam", "layercam", "scorecam"])
def test_further_methods(golden, method):
    model, numbers = golden
    maps = explain(model, numbers["images"], numbers["predicted"], [method])[method]
    close(views.scaled(maps, 32), numbers[f"{method}.pred.scaled_upsampled"], 1e-4)


def test_gradcamplusplus_is_the_peer_s_but_for_what_it_adds_to_the_denominator(golden):
    model, numbers = golden
    A, classes = numbers["activations"], numbers["predicted"]
    derivatives = gradients(model, A, classes).detach().expand_as(A)
    total = A.sum((2, 3), keepdim=True)

    def weighted(extra):
        alpha = derivatives**2 / (2 * derivatives**2 + total * derivatives**3 + extra)
        weights = (alpha * derivatives.clamp(min=0)).sum((2, 3), keepdim=True)
        return (weights * A).sum(1)

    close(views.scaled(weighted(1e-6), 32), numbers["gradcamplusplus.pred.scaled_upsampled"], 1e-4)
    computed = explain(model, numbers["images"], classes, ["gradcamplusplus"])["gradcamplusplus"]
    assert torch.allclose(computed, weighted(0), rtol=1e-3, atol=1e-5)


def test_eigencam_is_the_peer_s_but_for_centring_and_sign(golden):
    numbers = golden[1]
    A, expected = numbers["activations"], numbers["eigencam.pred.scaled_upsampled"]
    centred = first_component(A - A.mean((2, 3), keepdim=True))
    errors = torch.stack(
        [(views.scaled(s * centred, 32) - expected).abs().amax((1, 2)) for s in (1, -1)]
    )
    assert errors.amin(0).max() <= 1e-4


@pytest.mark.parametrize("region", [8, 4])
@pytest.mark.parametrize("method", METHODS)
def test_aopc(golden, method, region):
    model, numbers = golden
    images, classes = numbers["images"], numbers["predicted"]
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    replacement = numbers["aopc.uniform01"] * (high - low) + low
    maps = views.scaled(explain(model, images, classes, [method])[method], 32)
    actual = perturbation_drops(model, images, classes, maps, region, replacement)
    key = f"aopc.{method}.region{region}"
    errors = (actual - numbers[f"{key}.drop"]).abs().amax(1)
    assert (errors > 1e-5).sum() <= 1, "one image may differ by a swapped near-tie"
    same = errors <= 1e-5
    close(actual.mean(1)[same], numbers[f"{key}.score"][same], 1e-5)
    orders = order_of(region_means(maps, region, "zeros"))
    assert (orders != numbers[f"{key}.order"]).any(1).sum() <= 1


def test_max_sensitivity(golden):
    model, numbers = golden
    actual = max_sensitivity(
        model,
        numbers["images"],
        numbers["predicted"],
        METHODS,
        float(numbers["maxsens.radius"]),
        numbers["maxsens.unit_noise"],
        "scaled",
    )
    for method in METHODS:
        for version in ("absolute", "relative"):
            close(actual[method][version], numbers[f"maxsens.{method}.{version}"], 5e-5)


def test_haas(golden):
    model, numbers = golden
    images, labels = numbers["images"], numbers["labels"]
    for method in METHODS:
        maps = views.scaled(explain(model, images, labels, [method])[method], 32)
        with torch.no_grad():
            predicted = model(heatmap_assisted(images, maps)).argmax(1)
        assert torch.equal(predicted, numbers[f"haas.{method}.ha_predicted"])
        clean = (numbers["predicted"] == labels).double().mean()
        score = (predicted == labels).double().mean() / clean
        close(score, numbers[f"haas.{method}.score"], 1e-9)
