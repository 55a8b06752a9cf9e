"""Maps of any network in one call, right or an error that names the argument."""

import copy

import pytest
import torch
from torch import nn

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.library import explaining, prepare
from faithcam.maps.explain import explain as of_parts
from faithcam.models.camnet import CamNet


def network(outputs=3, *after, dropout=0.5):
    """Return a Flatten network of 8 x 8 cells in train mode, BatchNorm's statistics not trivial."""
    with torch_seed(3, "explain"):
        layers = [nn.Conv2d(3, 4, 3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(dropout)]
        net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, outputs), *after)
        net[1].running_mean.uniform_(-0.1, 0.1)
        net[1].running_var.uniform_(0.5, 2)
    return net


def images(count=4):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


CLASSES = [0, 1, 2, 0]


def logits(net, x):
    with torch.no_grad():
        return net.eval()(x)


def test_maps_are_those_of_the_network_in_eval_mode_which_stays_as_it_is():
    net, x = network(), images()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    one, other = (faithcam.explain(net, x, CLASSES) for _ in range(2))
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(torch.equal(one[name], other[name]) for name in ("gradcam", "hirescam"))
    parts = CamNet(net[:4], net[5], "flatten").eval()
    expected = of_parts(parts, x, torch.tensor(CLASSES), ["gradcam", "hirescam"])
    for name, raw in expected.items():
        torch.testing.assert_close(one[name], raw, rtol=1e-4, atol=1e-5)
    sums = one["hirescam"].sum((1, 2))
    torch.testing.assert_close(sums, logits(net, x)[range(4), CLASSES] - net[5].bias[CLASSES])


def test_other_weights_are_seen_and_the_same_are_prepared_once(monkeypatch):
    net, x = network(), images()
    made = []
    split = prepare.split
    monkeypatch.setattr(prepare, "split", lambda *given: made.append(1) or split(*given))
    first = faithcam.explain(net, x, CLASSES)["hirescam"]
    faithcam.explain(net, x[:2], 0)
    assert len(made) == 1
    with torch.no_grad():
        net[5].weight.mul_(2)
    torch.testing.assert_close(faithcam.explain(net, x, CLASSES)["hirescam"], 2 * first)
    net[5].weight = nn.Parameter(net[5].weight.detach() / 2)
    torch.testing.assert_close(faithcam.explain(net, x, CLASSES)["hirescam"], first)
    assert len(made) == 3


class Scaled(nn.Module):
    """A leaky ReLU, times a number that nobody prints."""

    def __init__(self, by=1.0):
        super().__init__()
        self.by, self.of = by, torch.sin

    def forward(self, x):
        return self.by * nn.functional.leaky_relu(x, 0.1) + 0.1 * self.of(x)


class Squared(Scaled):
    def forward(self, x):
        return x**2


CHANGES = {
    "a number": lambda net: setattr(net[2], "by", 2.0),
    "a function": lambda net: setattr(net[2], "of", torch.cos),
    "what it does": lambda net: setattr(net[2], "forward", torch.tanh),
    "what it is": lambda net: setattr(net[2], "__class__", Squared),
    "data": lambda net: net[5].weight.data.mul_(2),
    "copied": lambda net: net[5].weight.data.copy_(net[5].weight.data.roll(1, 0)),
    "a layer": lambda net: net.__setitem__(2, nn.Tanh()),
    "a layer's kind": lambda net: net.__setitem__(2, nn.LeakyReLU(0.3)),
    "a hook": lambda net: net[2].register_forward_hook(lambda m, args, output: output * 2),
    "statistics": lambda net: net[1].running_mean.data.add_(0.1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_network_is_seen(change):
    net, x = network(), images()
    net[2] = Scaled()
    before = faithcam.explain(net, x, 1)["hirescam"]
    CHANGES[change](net)
    found = faithcam.explain(net, x, 1)["hirescam"]
    assert not torch.allclose(found, before)
    fresh = copy.deepcopy(net)
    torch.testing.assert_close(found, faithcam.explain(fresh, x, 1)["hirescam"])


CONTEXTS = {
    "inference": torch.inference_mode,
    "no grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("context", CONTEXTS)
def test_contexts_of_the_caller_change_nothing(context):
    curved = nn.Sequential(*network(), nn.Sigmoid())
    expected = faithcam.explain(copy.deepcopy(curved), images(), 1)["hirescam"]
    with CONTEXTS[context]():
        assert torch.equal(faithcam.explain(curved, images(), 1)["hirescam"], expected)
    assert torch.equal(faithcam.explain(curved, images(), 1)["hirescam"], expected)


def test_a_method_of_ones_own_may_take_gradients():
    net, x = network(), images()

    def gradient(parts, images, classes):
        A = parts.activations(images).detach().requires_grad_()
        score = parts.logits(A).gather(1, classes[:, None]).sum()
        return (A * torch.autograd.grad(score, A)[0]).sum(1)

    found = faithcam.explain(net, x, 1, [gradient, "hirescam"])
    torch.testing.assert_close(found["gradient"], found["hirescam"])
    assert not found["gradient"].requires_grad


def test_one_image_and_one_class_for_all():
    net, x = network(), images()
    expected = faithcam.explain(net, x, [1] * 4)["gradcam"]
    torch.testing.assert_close(faithcam.explain(net, x, 1)["gradcam"], expected)
    torch.testing.assert_close(faithcam.explain(net, x[2], 1)["gradcam"], expected[2])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_classes_of_any_integer_type(dtype):
    net, x = network(), images()
    found = faithcam.explain(net, x, torch.tensor(CLASSES, dtype=dtype), "hirescam")
    assert torch.equal(found["hirescam"], faithcam.explain(net, x, CLASSES)["hirescam"])


def test_without_classes_the_predicted_ones():
    net, x = network(), images()
    predicted = logits(net, x).argmax(1)
    found = faithcam.explain(net, x)["hirescam"]
    assert torch.equal(found, faithcam.explain(net, x, predicted)["hirescam"])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_images_of_any_number_of_channels(channels):
    net = nn.Sequential(nn.Conv2d(channels, 4, 3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    x = torch.rand(2, channels, 32, 32)
    for head in (net, nn.Sequential(*net, nn.ReLU())):
        assert faithcam.explain(head, x)["hirescam"].shape == (2, 8, 8)
        assert len(faithcam.evaluate(head, x, metrics="aopc", bounds=(0, 1), progress=False))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    net, x = network().to(dtype), images().to(dtype)
    found = faithcam.explain(net, x, CLASSES)["hirescam"]
    assert found.dtype == torch.float32
    expected = faithcam.explain(net.float(), x.float(), CLASSES)["hirescam"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kept", [0, 1 << 29])
def test_a_pass_over_each_image_is_enough(monkeypatch, kept):
    monkeypatch.setattr(explaining, "KEPT", kept)
    parts, x, passes = faithcam.split(network(), images()), images(6), []
    monkeypatch.setattr(explaining, "prepared", lambda *given: parts)
    parts.features.register_forward_hook(lambda m, args, output: passes.append(len(output)))
    found = faithcam.explain(parts, x, 1, batch_size=4)["hirescam"]
    assert sum(passes) == (6 if kept else 12)
    torch.testing.assert_close(found, faithcam.explain(network(), x, 1)["hirescam"])


def test_batches_change_rounding_alone():
    net, x = network(), images(5)
    names = ["hirescam", "random", "integrated_gradients"]
    one, other = (faithcam.explain(net, x, 1, names, batch_size=size) for size in (2, 16))
    for name in names:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("score", ["logit", "centred"])
def test_one_logit_has_two_sides(score):
    net, x = network(1), images()
    one, two = (faithcam.explain(net, x, c, score=score)["hirescam"] for c in (1, 0))
    assert torch.equal(one, -two)
    torch.testing.assert_close(one.sum((1, 2)), logits(net, x)[:, 0] - net[5].bias)
    predicted = faithcam.explain(net, x, score=score)["hirescam"]
    sides = logits(net, x)[:, 0] > 0
    assert torch.equal(predicted, one.where(sides[:, None, None], two))


def test_a_head_that_is_not_linear_by_autograd():
    """Behind an exponential the gradient is the linear layer's times the output."""
    net, x = network(3), images()

    class Exponential(nn.Module):
        def forward(self, y):
            return y.exp()

    curved = nn.Sequential(*net, Exponential())
    straight = faithcam.explain(net, x, CLASSES)
    for name, raw in faithcam.explain(curved, x, CLASSES).items():
        factor = logits(net, x)[range(4), CLASSES].exp()
        torch.testing.assert_close(
            raw, straight[name] * factor[:, None, None], rtol=1e-4, atol=1e-5
        )


def test_a_score_of_ones_own():
    net, x = network(1), images()
    found = faithcam.explain(net, x, score=lambda y: 3 * y[:, 0])["hirescam"]
    expected = 3 * faithcam.explain(net, x, 1)["hirescam"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


class Segmenting(nn.Module):
    """Logits at each pixel: the cells' own, enlarged."""

    def __init__(self):
        super().__init__()
        self.features, self.classify = network()[:3], nn.Conv2d(4, 2, 1)

    def forward(self, x):
        cells = self.classify(self.features(x))
        return {"out": nn.functional.interpolate(cells, scale_factor=4.0, mode="nearest")}


def test_pixels_of_a_segmentation_over_a_mask():
    net, x = Segmenting(), images()
    masks = torch.zeros(4, 32, 32)
    masks[:, 8:24, 4:12] = 1
    found = faithcam.explain(net, x, 1, "hirescam", masks=masks)["hirescam"]
    with torch.no_grad():
        outputs = net.eval()(x)["out"][:, 1]
    inside = found[:, 2:6, 1:3]
    torch.testing.assert_close(found.sum((1, 2)), inside.sum((1, 2)))
    bias = float(net.classify.bias.detach()[1]) * float(masks[0].sum())
    expected = (outputs * masks).sum((1, 2)) - bias
    torch.testing.assert_close(inside.sum((1, 2)), expected, rtol=1e-4, atol=1e-3)
    with torch.no_grad():
        largest = net(x)["out"].argmax(1)
    common = largest.flatten(1).mode(1)[0]
    own = (largest == common[:, None, None]).float()
    with_own = faithcam.explain(net, x, common, "hirescam", masks=own)["hirescam"]
    assert torch.equal(faithcam.explain(net, x, common, "hirescam")["hirescam"], with_own)


def test_pixels_of_one_logit_have_two_sides():
    net = network()[:3].append(nn.Conv2d(4, 1, 1))
    x, masks = images(), torch.zeros(4, 8, 8)
    masks[:, 2:5, 3:7] = 1
    one, two = (faithcam.explain(net, x, c, "hirescam", masks=masks)["hirescam"] for c in (1, 0))
    torch.testing.assert_close(one, -two)
    with torch.no_grad():
        expected = ((net.eval()(x)[:, 0] - net[3].bias) * masks).sum((1, 2))
    torch.testing.assert_close(one.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_bounds_say_where_grey_is():
    """Integrated Gradients start from it: as of a network that scales images itself."""
    net, x = network(), (images() + 1) / 2

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, unit):
            return self.net((unit + 1) / 2)

    names = ["integrated_gradients", "gradient_x_input", "hirescam"]
    found = faithcam.explain(net, x, 1, names, bounds=(0, 1))
    expected = faithcam.explain(Scaled(), 2 * x - 1, 1, names)
    for name in names:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


def test_volumes():
    layers = [nn.Conv3d(1, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()]
    net, x = nn.Sequential(*layers, nn.Linear(4, 2)), torch.rand(2, 1, 8, 16, 16)
    found = faithcam.explain(net, x, 1)["hirescam"]
    assert found.shape == (2, 4, 8, 8)
    torch.testing.assert_close(found.sum((1, 2, 3)), logits(net, x)[:, 1] - net[4].bias[1])


def test_methods_of_ones_own_beside_others():
    net, x = network(), images(5)

    def energy(parts, images, classes):
        return parts.activations(images).square().sum(1)

    found = faithcam.explain(net, x, 1, ["hirescam", energy], batch_size=2)
    assert list(found) == ["hirescam", "energy"]
    with torch.no_grad():
        expected = net.eval()[:3](x).square().sum(1)
    torch.testing.assert_close(found["energy"], expected, rtol=1e-4, atol=1e-5)


def test_methods_that_compare_with_training_images():
    net, x = network(), images()
    training = -images(3)
    found = faithcam.explain(net, x, 1, ["hirescam", "expected_hirescam"], backgrounds=training)
    mean = faithcam.explain(net, training, 1)["hirescam"].mean(0)
    expected = found["hirescam"] - mean
    torch.testing.assert_close(found["expected_hirescam"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": images().byte()}, "images: torch.uint8 found, expected a tensor of floats"),
        ({"images": images()[0, 0]}, r"images: \(32, 32\) found, expected \(C, H, W\)"),
        ({"images": images() * torch.nan}, r"images: NaN or infinity found in images \[0, 1"),
        ({"images": images()[:, :1]}, r"sample: .* which the network does not take"),
        ({"images": 255 * images(), "bounds": (-1, 1)}, "images: values from -25.* expected -1 to"),
        ({"classes": 3}, r"classes: \[3, 3, 3, 3\] found, expected a number from 0 to 2 for each"),
        ({"classes": [0, 1]}, r"classes: \[0, 1\] found, expected .* for each of 4 images"),
        ({"classes": [0.0] * 4}, "classes: torch.float32 found, expected whole numbers"),
        ({"methods": "gradcamm"}, "methods: 'gradcamm' is unknown"),
        ({"methods": []}, "methods: 0 found"),
        ({"methods": ["cam"]}, "methods: cam needs a network with head gap"),
        ({"methods": "expected_hirescam"}, "backgrounds: none found, expected training images"),
        ({"methods": lambda n, i, c: i}, "methods: <lambda> returned .4, 3, 32, 32., expected"),
        ({"methods": lambda n, i, c: n.activations(i).sum(1) / 0}, "methods: <lambda> found NaN"),
        ({"score": lambda y: y}, r"score: \(4, 3\) found, expected a number per image"),
        ({"score": lambda y: y[:, 0], "classes": 1}, "score: a function and classes or masks"),
        ({"masks": torch.ones(4, 32, 32)}, "masks: given, but the network's outputs are"),
        ({"batch_size": 0}, "batch_size: 0 found"),
        ({"bounds": ([-1, -1], [1, 1])}, "bounds: 2 channels found, expected one number or 3"),
        ({"network": len}, "network: builtin_function_or_method found, expected a torch.nn.Mod"),
        ({"layer": "7"}, "layer: 7 found, expected one of 0, 1, 2"),
        ({"network": Segmenting()}, "classes: none found, expected the class whose pixels"),
        (
            {"network": Segmenting(), "classes": 1, "masks": torch.ones(4, 8, 8)},
            r"masks: \(4, 8, 8\) found, expected \(4, 32, 32\)",
        ),
        (
            {"network": Segmenting(), "classes": 1, "masks": torch.zeros(4, 32, 32)},
            r"masks: no pixel found in images \[0, 1, 2, 3\]",
        ),
    ],
)
def test_what_cannot_be_explained_names_the_argument(given, message):
    with pytest.raises(FaithcamError, match=message):
        faithcam.explain(**{"network": network(), "images": images(), **given})


class Fixed(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self._shape = shape

    def forward(self, x):
        return torch.ones(len(x), *self._shape)


@pytest.mark.parametrize(("shape", "inputs"), [((5, 8), 8), ((16,), 16)])
def test_features_that_are_no_grid_are_refused(shape, inputs):
    parts = CamNet(Fixed(*shape), nn.Linear(inputs, 3), "gap")
    with pytest.raises(FaithcamError, match=r"features must return \(N, K, h, w\), found"):
        faithcam.explain(parts, images())
