"""Networks: what goes in and out of A, and which sizes and names are refused."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from faithcam.errors import FaithcamError
from faithcam.models import registry, torchvision_nets
from faithcam.models.camnet import CamNet


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("head", ["flatten", "gap"])
@pytest.mark.parametrize("architecture", ["resnet_small", "vgg_small", "resnet18"])
def test_logits_are_linear_in_activations_that_stay_as_they_are(architecture, head):
    size = registry.ARCHITECTURES[architecture].smallest_size()
    model = registry.build(architecture, head, 3, size).eval().channels_last()
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
    with pytest.raises(FaithcamError, match="unknown; choose from resnet_small, vgg_small"):
        registry.build("alexnet", "gap", 2, 64)


@pytest.mark.parametrize("architecture", registry.ARCHITECTURES)
def test_cells_and_channels_are_those_of_the_network(architecture):
    facts = registry.ARCHITECTURES[architecture]
    smallest = facts.smallest_size()
    features = registry.features(architecture).to("meta").eval()
    for size in (smallest, smallest + 1, *(s for s in (113, 128, 224) if s > smallest)):
        shape = features(torch.zeros(1, 3, size, size, device="meta")).shape
        cells = facts.cells(size)
        assert tuple(shape) == (1, facts.channels, cells, cells)
    assert facts.cells(smallest) == 4
    message = f"{architecture} turns .* {smallest - 1} px into 3 x 3 cells.* {smallest} px or more"
    with pytest.raises(FaithcamError, match=message):
        registry.build(architecture, "gap", 2, smallest - 1)


def test_resnets_target_is_the_input_of_global_average_pooling():
    network = torchvision_nets.import_torchvision().models.resnet18().eval()
    features = torchvision_nets.features("resnet18").eval()
    trunk = {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    features.load_state_dict(trunk, strict=True)
    images = torch.rand(1, 3, 97, 97)
    with torch.no_grad():
        logits = CamNet(features, network.fc, "gap").eval()(images)
        torch.testing.assert_close(logits, network(images))


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        ("resnet34_thesis", "Conv2d BatchNorm2d ReLU Conv2d"),
        ("resnet50_thesis", "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d"),
    ],
)
def test_thesis_resnets_end_in_a_plain_stack(architecture, layers):
    block = torchvision_nets.features(architecture).layer4[2]
    assert isinstance(block, nn.Sequential)
    assert " ".join(type(layer).__name__ for layer in block) == layers


def test_thesis_vgg19_loses_its_last_relu_and_pool():
    thesis, whole = (torchvision_nets.features(name) for name in ("vgg19_thesis", "vgg19"))
    assert [type(layer) for layer in thesis] == [type(layer) for layer in whole][:-2]
    assert isinstance(thesis[-1], nn.Conv2d)
    assert registry.ARCHITECTURES["vgg19_thesis"].cells(224) == 14


def test_names_sizes_and_downloads_need_no_torch():
    code = (
        "import sys, faithcam.models.registry, faithcam.models.imagenet, faithcam.models.evaluate;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
