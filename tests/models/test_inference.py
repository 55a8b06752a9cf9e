"""Networks made ready for many passes: the same function, without BatchNorm and in-place steps."""

import pytest
import torch
import torch.nn.functional as F
from networks import awake, net_of, random_images
from torch import nn

from faithcam.core.errors import FaithcamError
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.inference import InferenceNet, for_inference


def normalisations(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


# how many BatchNorms remain: those of a DenseNet before its convolutions
FOLDED = {"resnet_small": 0, "vgg_small": 0, "resnet18": 0, "vgg11": 0, "efficientnet_b0": 0}
FOLDED |= {"mobilenet_v3_small": 0, "mobilenet_v3_large": 0, "densenet121": 58 + 3 + 1}


@pytest.mark.parametrize("architecture", [*FOLDED, "convnext_tiny"])
def test_the_function_stays_and_the_normalisations_go(architecture):
    model = net_of(registry.features(architecture), (128, 128))
    if architecture.startswith(("efficientnet", "mobilenet")):
        awake(model.features, 128)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepared, images = for_inference(model, (128, 128)), random_images(2, 128)
    with torch.inference_mode():
        expected, actual = model(images), prepared(images)
    assert torch.allclose(actual, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert isinstance(prepared, InferenceNet)
    assert normalisations(prepared) == FOLDED.get(architecture, 0)
    assert not any(getattr(module, "inplace", False) for module in prepared.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Shared(nn.Module):
    """One convolution used twice, another whose output is used before and after normalisation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))

    def forward(self, x):
        x = self.norms[0](self.first(self.first(x)))
        y = self.second(x)
        return F.relu(self.norms[1](y), inplace=True) + y


def test_a_convolution_that_is_used_elsewhere_keeps_its_weights():
    model, images = net_of(Shared(), (8, 8)), random_images(2, 8)
    prepared = for_inference(model, (8, 8))
    assert normalisations(prepared) == 2
    with torch.inference_mode():
        assert torch.allclose(prepared(images), model(images), atol=1e-5)


class Branching(nn.Module):
    """What cannot be traced: its way depends on a value."""

    def forward(self, x):
        return x.relu() if x.mean() > 0 else x


class InPlace(nn.Module):
    def forward(self, x):
        return (x * 1).clamp_(min=0)


class SkipsInPlace(nn.Module):
    """A value that is overwritten and read again: a graph without in-place steps differs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        y = self.first(x)
        return self.first(F.relu(y, inplace=True)) + y


class SharedWeight(nn.Module):
    """A convolution's weight that is used without it, too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.layer(x)) + F.conv2d(x, self.layer.weight, padding=1)


class Out(nn.Module):
    def forward(self, x):
        y = x * 1
        return torch.mul(y, 0.5, out=y)


class Masked(nn.Module):
    def forward(self, x, mask=None):
        return x * 2


def doubled(module, inputs, output):
    return 2 * output


def test_hooks_and_reparametrised_weights_keep_their_effect():
    features = nn.Sequential(
        nn.Conv2d(3, 3, 3),
        nn.BatchNorm2d(3),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 3)),
        nn.BatchNorm2d(3),
    )
    features[0].register_forward_hook(doubled)
    model, images = net_of(features, (8, 8)), random_images(2, 8)
    prepared = for_inference(model, (8, 8))
    assert normalisations(prepared) == 2
    with torch.inference_mode():
        assert torch.allclose(prepared(images), model(images), atol=1e-5)


@pytest.mark.parametrize(
    "features", [Branching(), InPlace(), SkipsInPlace(), SharedWeight(), Out(), Masked()]
)
def test_features_that_cannot_be_a_safe_graph_are_used_as_they_are(features):
    model, images = net_of(features, (8, 8)), random_images(2, 8)
    prepared = for_inference(model, (8, 8))
    assert type(prepared) is CamNet
    with torch.inference_mode():
        # in another order of memory some processors round the last digit otherwise
        torch.testing.assert_close(prepared(images), model(images), rtol=1e-5, atol=1e-6)
    with pytest.raises(FaithcamError, match="precision: bfloat16"):
        for_inference(model, (8, 8), torch.bfloat16)


def test_deep_layers_on_few_cells_lie_channels_first():
    prepared = for_inference(net_of(registry.features("resnet18"), (128, 128)), (128, 128))
    layout = {
        module.in_channels: module.weight.is_contiguous()
        for module in prepared.modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    }
    assert layout == {64: False, 128: False, 256: True, 512: True}
    assert isinstance(prepared, InferenceNet)
