"""Networks: what goes in and out of A, and which sizes and names are refused."""

import pytest
import torch
from networks import awake
from torch import nn

from faithcam.core.errors import FaithcamError
from faithcam.maps import laws as map_laws
from faithcam.models import registry, torchvision_nets
from faithcam.models.camnet import CamNet

TORCHVISION = {  # how the published networks get from what torchvision calls features to logits
    "resnet18": lambda network: network.fc,
    "densenet121": lambda network: network.classifier,
    "densenet169": lambda network: network.classifier,
    "efficientnet_b0": lambda network: network.classifier[-1],
}
HIDDEN_LAYER, NORM_AFTER_POOLING = ["mobilenet_v3_small", "mobilenet_v3_large"], ["convnext_tiny"]
NETWORKS = ["resnet_small", "vgg_small", *TORCHVISION, *HIDDEN_LAYER, *NORM_AFTER_POOLING]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module", params=NETWORKS)
def flatten(request):
    """Each network once, with activations that depend on the image, and the size of its images."""
    torch.manual_seed(0)
    size = registry.ARCHITECTURES[request.param].smallest_size()
    model = registry.build(request.param, "flatten", 3, size)
    awake(model.features, size)
    return model.eval().channels_last(), size


def with_head(flatten, head):
    """Return the same network with a Flatten or a GAP head."""
    model, size = flatten
    if head == "flatten":
        return model, size
    with torch.no_grad():
        channels = model.activations(torch.zeros(1, 3, size, size)).shape[1]
    return CamNet(model.features, nn.Linear(channels, 3), head).eval().channels_last(), size


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_logits_are_linear_in_activations_that_stay_as_they_are(flatten, head):
    model, size = with_head(flatten, head)
    with torch.no_grad():
        activations = model.activations(torch.rand(2, 3, size, size))
        before = activations.clone()
        logits = model.logits(activations)
        weights = model.cell_weights(activations.shape)
        sums = torch.einsum("nkij,ckij->nc", activations, weights) + model.classifier.bias
    assert weights.shape == (3, *activations.shape[1:])
    assert torch.equal(activations, before)
    torch.testing.assert_close(sums, logits, rtol=1e-5, atol=1e-5)


def test_no_softmax_and_the_hand_computed_logits():
    features = nn.Identity()
    classifier = nn.Linear(1, 2)
    classifier.load_state_dict({"weight": torch.tensor([[2.0], [-4.0]]), "bias": torch.ones(2)})
    activations = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert CamNet(features, classifier, "gap")(activations).tolist() == [[7.0, -11.0]]
    weights = CamNet(features, classifier, "gap").cell_weights((1, 2, 2))
    assert weights.tolist() == [[[[0.5] * 2] * 2], [[[-1.0] * 2] * 2]]


def test_a_classifier_that_does_not_fit_is_named():
    model = registry.build("vgg_small", "flatten", 2, 28)
    with pytest.raises(FaithcamError, match=r"1024 inputs.* 64 channels x 8 x 8 cells need 4096"):
        model(torch.zeros(1, 3, 64, 64))
    with pytest.raises(FaithcamError, match="1024 inputs"):
        model.cell_weights((64, 8, 8))


def test_unknown_head_and_other_classifiers_are_refused():
    with pytest.raises(FaithcamError, match="flatten or gap"):
        CamNet(nn.Identity(), nn.Linear(1, 1), "avg")
    with pytest.raises(FaithcamError, match=r"Sequential found, expected one nn\.Linear"):
        CamNet(nn.Identity(), nn.Sequential(nn.Linear(1, 1), nn.Softmax(1)), "gap")
    with pytest.raises(
        FaithcamError, match=r"unknown; choose from axial_small, .* or any CNN of timm"
    ):
        registry.build("alexnet", "gap", 2, 64)


@pytest.mark.parametrize("architecture", registry.ARCHITECTURES)
def test_cells_and_channels_are_those_of_the_network(architecture):
    spec = registry.ARCHITECTURES[architecture]
    smallest = spec.smallest_size()
    features = registry.features(architecture).to("meta").eval()
    for size in (smallest, smallest + 1, *(s for s in (113, 128, 224) if s > smallest)):
        shape = features(torch.zeros(1, 3, size, size, device="meta")).shape
        cells = spec.cells(size)
        assert tuple(shape) == (1, spec.channels, cells, cells)
    assert spec.cells(smallest) == 4
    message = f"{architecture} turns .* {smallest - 1} px into 3 x 3 cells.* {smallest} px or more"
    with pytest.raises(FaithcamError, match=message):
        registry.build(architecture, "gap", 2, smallest - 1)


def both(architecture):
    """Return a published network, and our features with its weights."""
    network = torchvision_nets.network(architecture).eval()
    awake(network, 128)
    features = registry.features(architecture).eval()
    trunk = registry.imagenet_features(architecture, network.state_dict())
    features.load_state_dict(features.state_dict() | trunk, strict=True)
    return network, features, torch.rand(2, 3, 125, 125) * 2 - 1


@pytest.mark.parametrize("architecture", TORCHVISION)
def test_the_target_is_the_input_of_global_average_pooling(architecture):
    network, features, images = both(architecture)
    with torch.no_grad():
        logits = CamNet(features, TORCHVISION[architecture](network), "gap").eval()(images)
        expected = network(images)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("architecture", HIDDEN_LAYER)
def test_the_target_is_the_input_of_pooling_before_a_hidden_layer(architecture):
    network, features, images = both(architecture)
    with torch.no_grad():
        expected = network(images)
        logits = network.classifier(features(images).mean((2, 3)))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_convnexts_target_is_normalised_in_every_cell_not_after_pooling():
    network, features, _ = both("convnext_tiny")
    images = torch.rand(2, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        A, raw = features(images), network.features(images)
        torch.testing.assert_close(A.mean(1), torch.zeros_like(A[:, 0]), atol=1e-5, rtol=0)
        expected = (raw - raw.mean(1, keepdim=True)) / (
            raw.var(1, False, keepdim=True) + 1e-6
        ).sqrt()
        torch.testing.assert_close(A, expected, rtol=1e-3, atol=1e-4)


# docs/networks.md and docs/methods.md (caveats): no ReLU stands at the end of these
SIGNED = {"efficientnet_b0", "mobilenet_v3_small", "mobilenet_v3_large", "convnext_tiny"}
SIGNED |= {"resnet34_thesis", "resnet50_thesis", "vgg19_thesis"}


@pytest.mark.parametrize("architecture", registry.ARCHITECTURES)
def test_activations_are_negative_only_where_no_relu_stands_at_the_end(architecture):
    size = registry.ARCHITECTURES[architecture].smallest_size()
    features = awake(registry.features(architecture), max(size, 128))
    with torch.no_grad():
        lowest = float(features(torch.rand(2, 3, size, size) * 2 - 1).min())
    assert (lowest < 0) is (architecture in SIGNED)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_every_law_holds(flatten, head):
    model, size = with_head(flatten, head)
    images = torch.rand(2, 3, size, size) * 2 - 1
    outcomes = map_laws.check_images(model, images, torch.tensor([0, 2]))
    assert len(outcomes) == (14 if head == "gap" else 8)
    for check in outcomes:
        assert (check.errors <= 1).all(), check.name


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        ("resnet34_thesis", "Conv2d BatchNorm2d ReLU Conv2d"),
        ("resnet50_thesis", "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d"),
    ],
)
def test_thesis_resnets_end_in_a_plain_stack(architecture, layers):
    block = registry.features(architecture).layer4[2]
    assert isinstance(block, nn.Sequential)
    assert " ".join(type(layer).__name__ for layer in block) == layers


def test_thesis_vgg19_loses_its_last_relu_and_pool():
    thesis, whole = (registry.features(name) for name in ("vgg19_thesis", "vgg19"))
    assert [type(layer) for layer in thesis] == [type(layer) for layer in whole][:-2]
    assert isinstance(thesis[-1], nn.Conv2d)
    assert registry.ARCHITECTURES["vgg19_thesis"].cells(224) == 14
