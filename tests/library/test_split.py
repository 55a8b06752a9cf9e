"""Any CNN falls in two parts whose outputs are its own, at the activations that are meant."""

import pytest
import torch
from torch import nn

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.models.torchvision_nets import import_torchvision

# network, pixels, head, channels and cells of A
NETWORKS = {
    "resnet18": (64, "gap", (512, 2, 2)),
    "vgg11": (64, "other", (512, 2, 2)),
    "densenet121": (64, "gap", (1024, 2, 2)),
    "convnext_tiny": (64, "other", (768, 2, 2)),
    "efficientnet_b0": (64, "gap", (1280, 2, 2)),
    "mobilenet_v2": (64, "gap", (1280, 2, 2)),
    "mobilenet_v3_small": (64, "other", (576, 2, 2)),
    "inception_v3": (128, "gap", (2048, 2, 2)),
    "googlenet": (64, "gap", (1024, 2, 2)),
    "squeezenet1_1": (64, "other", (512, 3, 3)),
    "swin_t": (64, "gap", (768, 2, 2)),
    "fcn_resnet50": (64, "other", (512, 8, 8)),
    "lraspp_mobilenet_v3_large": (64, "other", (40, 8, 8)),
}


def published(name):
    """Return a network of torchvision with random weights, in train mode."""
    options = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    if name.startswith(("fcn", "lraspp")):
        options = {"weights": None, "weights_backbone": None}
    with torch_seed(1, name):
        return import_torchvision().models.get_model(name, **options).train()


def images(pixels=64, count=2):
    return torch.rand(count, 3, pixels, pixels, generator=torch.Generator().manual_seed(0)) * 2 - 1


def outputs(network, x):
    with torch.no_grad():
        result = network.eval()(x)
    return result if isinstance(result, torch.Tensor) else result["out"]


@pytest.mark.parametrize("name", NETWORKS)
def test_published_networks(name):
    network, (pixels, head, shape) = published(name), NETWORKS[name]
    x = images(pixels)
    parts = faithcam.split(network, x)
    assert network.training
    assert parts.head == head
    assert tuple(parts.activations(x).shape) == (2, *shape)
    expected = outputs(network, x)
    torch.testing.assert_close(parts(x), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))


def small(*tail, pool=None):
    """Return a network whose activations are (N, 4, 8, 8)."""
    with torch_seed(2, "small"):
        layers = [nn.Conv2d(3, 4, 3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, *([pool] if pool else []), *tail)


class Custom(nn.Module):
    """A network whose forward is a function of its layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.features = small()
        self.norm = nn.BatchNorm2d(4)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def branching(net, x):
    activations = net.features(x)
    if float(activations.sum()) < -1e9:  # a value, which tracing does not know
        return net.head(activations.mean((2, 3))) * 0
    return net.head(activations.mean((2, 3)))


def functional(net, x):
    """The last activations come from a function, in place, as DenseNet's."""
    normed = nn.functional.relu(net.norm(net.features(x)), inplace=True)
    return net.head(nn.functional.adaptive_avg_pool2d(normed, 1).flatten(1))


def channels_last(net, x):
    tokens = net.mix(net.features(x).permute(0, 2, 3, 1))
    return net.head(tokens.mean((1, 2)))


def of_a_batch(net, x):
    """Sizes are taken from the image at the start."""
    count, size = x.shape[0], x.shape[-2:]
    grid = nn.functional.interpolate(net.features(x), size=size)
    return net.head(grid.mean((2, 3)).view(count, -1))


OWN = {
    "flatten": (small(nn.Flatten(), nn.Dropout(), nn.Linear(256, 3)), "flatten"),
    "gap": (small(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), "gap"),
    "two linear layers": (small(nn.Flatten(), nn.Linear(256, 5), nn.Linear(5, 3)), "other"),
    "one of them not linear": (small(nn.Flatten(), nn.Linear(256, 3), nn.Sigmoid()), "other"),
    "maximum": (small(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)), "other"),
    "in parallel": (nn.DataParallel(small(nn.Flatten(), nn.Linear(256, 3))), "flatten"),
    "half": (small(nn.Flatten(), nn.Linear(256, 3)).half(), "flatten"),
    "function in place": (Custom(functional, head=nn.Linear(4, 3)), "gap"),
    "branches on values": (Custom(branching, head=nn.Linear(4, 3)), "other"),
    "channels last": (Custom(channels_last, mix=nn.Linear(4, 6), head=nn.Linear(6, 3)), "gap"),
    "sizes": (Custom(of_a_batch, head=nn.Linear(4, 3)), "gap"),
    "a split one": (
        faithcam.split(small(nn.Flatten(), nn.Linear(256, 3)), torch.zeros(1, 3, 32, 32)),
        "flatten",
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_own_networks(name):
    network, head = OWN[name]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = images(32, 3)
    parts = faithcam.split(network, x.to(next(network.parameters()).dtype))
    assert parts.head == head
    assert parts.activations(x).shape[:1] == (3,)
    A = parts.activations(x)
    kept = A.clone()
    found = parts.logits(A)
    assert torch.equal(A, kept)  # whatever works in place
    expected = outputs(network.float(), x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert all(
        torch.equal(value.to(before[k]), before[k]) for k, value in network.state_dict().items()
    )


def test_activations_are_what_the_classifier_looks_at():
    x = images(32)
    network = Custom(functional, head=nn.Linear(4, 3)).eval()
    with torch.no_grad():
        expected = network.norm(network.features(x)).relu()
    torch.testing.assert_close(faithcam.split(network, x).activations(x), expected)
    network = Custom(channels_last, mix=nn.Linear(4, 6), head=nn.Linear(6, 3)).eval()
    with torch.no_grad():
        expected = network.mix(network.features(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(faithcam.split(network, x).activations(x), expected)


@pytest.mark.parametrize("traced", [True, False])
def test_a_layer_can_be_named(traced):
    x = images(32)
    network = published("resnet18") if traced else Custom(branching, head=nn.Linear(4, 3))
    layer, channels = ("layer3", 256) if traced else ("features.0", 4)
    parts = faithcam.split(network, x, layer)
    assert parts.activations(x).shape[1] == channels
    torch.testing.assert_close(parts(x), outputs(network, x), rtol=1e-4, atol=1e-4)


def test_a_network_for_volumes():
    network = nn.Sequential(
        nn.Conv3d(1, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()
    )
    network.append(nn.Linear(4, 2))
    x = torch.rand(2, 1, 8, 16, 16)
    parts = faithcam.split(network, x)
    assert parts.activations(x).shape == (2, 4, 4, 8, 8)
    torch.testing.assert_close(parts(x), outputs(network, x))


TOKENS = nn.Sequential(
    nn.Conv2d(3, 8, 16, 16), nn.Flatten(2), nn.TransformerEncoderLayer(4, 2, batch_first=True),
    nn.Flatten(), nn.Linear(32, 3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("network", "pixels", "layer", "message"),
    [
        (TOKENS, 32, None, "network: behind its last grid, .2, 2. cells of 0, tokens attend"),
        ("resnet18", 32, None, r"images: .* one cell, layer3 before them \(2, 2\); give larger"),
        ("resnet18", 64, "layer9", "layer: layer9 found, expected one of conv1, bn1"),
        ("resnet18", 64, "layer4.1.conv1", "layer: beside layer4.1.conv1 other paths lead"),
        ("resnet18", 64, "fc", r"layer: fc returns \(1, 1000\), expected activations"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)), 32, None, "network: no activations"),
        (
            nn.LSTM(3, 4),
            32,
            None,
            r"sample: \(1, 3, 32, 32\) found, which the network does not take",
        ),
    ],
)
def test_what_cannot_be_split_says_why(network, pixels, layer, message):
    network = published(network) if isinstance(network, str) else network
    with pytest.raises(FaithcamError, match=message):
        faithcam.split(network, images(pixels), layer)


def test_a_scripted_module_is_refused():
    scripted = torch.jit.script(small(nn.Flatten(), nn.Linear(256, 3)))
    with pytest.raises(FaithcamError, match=r"a scripted module \(Sequential\) found"):
        faithcam.split(scripted, images(32))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (torch.zeros(3, 32), r"sample: \(3, 32\) found, expected \(C, H, W\)"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "sample: torch.uint8 found"),
        ([1.0], "sample: list found"),
    ],
)
def test_a_sample_is_images(sample, message):
    with pytest.raises(FaithcamError, match=message):
        faithcam.split(small(nn.Flatten(), nn.Linear(256, 3)), sample)
