"""What cells contribute, and which metrics find it, of any network."""

import numpy as np
import pytest
import torch
from torch import nn

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.validity.own import Own

X = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(5))
TRAINING = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(6))
SHORT = {"backgrounds": TRAINING, "bounds": (0, 1)}


class Times(nn.Module):
    """Outputs times two: a head that is none of those with a closed form."""

    def forward(self, y):
        return 2 * y


def network(*after):
    with torch_seed(7, "judging"):
        layers = [nn.Conv2d(3, 4, 5, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)]
        return nn.Sequential(*layers, *after)


def test_contributions_add_up_whatever_the_head():
    net = network(nn.ReLU(), nn.Linear(3, 3))
    found = faithcam.contributions(net, X[:3], TRAINING, estimands=["mean", "blur"], bounds=(0, 1))
    assert list(found) == ["mean", "blur"]
    for truth in found.values():
        assert truth.values.shape == (3, 4, 4)
    with torch.no_grad():
        logits = net.eval()(X[:3])
        grey = X[:3].mean((2, 3), keepdim=True).expand(-1, -1, 16, 16)
        classes, without = logits.argmax(1), net(grey)
    rows = torch.arange(3)
    centred = [y[rows, classes] - y.mean(1) for y in (logits, without)]
    expected = (centred[0] - centred[1]).double()
    torch.testing.assert_close(found["mean"].values.sum((1, 2)), expected, rtol=1e-4, atol=1e-5)


def test_contributions_are_those_of_the_network_with_a_closed_form():
    straight, other = (
        faithcam.contributions(net, X[:2], TRAINING, bounds=(0, 1), permutations=8, reliability=1.0)
        for net in (network(), network(Times()))
    )
    one, two = straight["background"].values, other["background"].values
    torch.testing.assert_close(two, 2 * one, rtol=1e-3, atol=1e-5)


class Branching(nn.Module):
    """A network that tracing does not bear."""

    def __init__(self, outputs=3):
        super().__init__()
        with torch_seed(8, "branching"):
            self.f, self.head = nn.Conv2d(3, 4, 5, 4, 1), nn.Linear(4, outputs)

    def forward(self, x):
        a = self.f(x)
        if float(a.sum()) < -1e9:
            a = a * 0
        return self.head(a.mean((2, 3)))


class Both(nn.Module):
    """A network of one logit y as one of two, 0 and y."""

    def __init__(self, one):
        super().__init__()
        self.one = one

    def forward(self, x):
        y = self.one(x)
        return torch.cat([torch.zeros_like(y), y], 1)


@pytest.mark.parametrize("kind", ["closed form", "by hooks"])
def test_one_logit_is_two_classes(kind):
    net = Branching(1) if kind == "by hooks" else network()[:3].append(nn.Linear(64, 1))
    few = {"bounds": (0, 1), "classes": 1, "permutations": 8, "reliability": 1.0}
    one = faithcam.contributions(net, X[:2], TRAINING, **few)["background"].values
    two = faithcam.contributions(Both(net), X[:2], TRAINING, **few)["background"].values
    assert float(one.abs().max()) > 1e-3
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
    table = faithcam.concordance(net, X, "deletion", **SHORT)
    assert float(table["concordance"].iloc[0]) > 0.6


def test_a_network_that_is_cut_by_hooks_is_scored_as_any_other():
    net = Branching()
    plain = nn.Sequential(net.f, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    one, two = (
        faithcam.evaluate(n, X, metrics=["aopc", "infidelity"], bounds=(0, 1), progress=False)
        for n in (net, plain)
    )
    assert one["value"].tolist() == pytest.approx(two["value"].tolist(), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("head", ["flatten", "other"])
def test_named_metrics_are_judged_like_functions(head):
    net = network() if head == "flatten" else network(Times())

    def blur(parts, images, classes, maps):
        return -maps.diff(dim=1).abs().sum((1, 2))

    table = faithcam.concordance(
        net, X, ["deletion", "complexity", blur], maps=["gradcam", "hirescam"], **SHORT
    )
    assert {*table["metric"]} == {"deletion", "complexity", "blur"}
    deletion = table[(table["metric"] == "deletion") & (table["family"] == "damaged")]
    assert float(deletion["concordance"].iloc[0]) > 0.6  # it removes what the truth is about


def test_a_named_metric_knows_which_way_is_better():
    assert not faithcam.METRICS["deletion"].larger_is_better

    def deletion(parts, images, classes, maps):
        table = faithcam.evaluate(
            parts, images, {"map": maps}, "deletion", classes=classes, progress=False
        )
        return torch.tensor(table["value"].to_numpy())

    named = faithcam.concordance(network(), X[:4], "deletion", **SHORT)
    own = faithcam.concordance(
        network(), X[:4], {"deletion": Own(deletion, larger_is_better=False)}, **SHORT
    )
    assert named["concordance"].tolist() == pytest.approx(own["concordance"].tolist())


def test_maps_are_judged_as_arrays_and_of_pixels_too():
    net, metric = network(), {"sum": lambda n, x, c, maps: maps.square().sum((1, 2))}
    random = torch.Generator().manual_seed(3)
    cells = {name: torch.randn(4, 4, 4, generator=random) for name in "abc"}
    arrays = {name: maps.numpy() for name, maps in cells.items()}
    pixels = {name: np.kron(maps, np.ones((4, 4))) / 16 for name, maps in arrays.items()}
    first, *others = (
        faithcam.concordance(net, X[:4], metric, maps=maps, estimands="mean", draws=1, **SHORT)
        for maps in (cells, arrays, pixels)
    )
    assert first.query("family == 'methods'")["pairs"].min() > 0
    assert all(each.equals(first) for each in others)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"estimands": "nothing"}, "estimands: 'nothing' is unknown"),
        ({"backgrounds": TRAINING[:, :, :8]}, r"backgrounds: \(12, 3, 8, 16\) found"),
        ({"metrics": "max_sensitivity"}, "metrics: max_sensitivity found, expected metrics that"),
        ({"metrics": "truth_agreement"}, "metrics: truth_agreement found, expected metrics that"),
        ({"metrics": "aopcc"}, "metrics: 'aopcc' is unknown"),
        ({"images": 255 * X}, "images: values from .* expected"),
        ({"images": X[:, :, None]}, r"images: \(8, 3, 1, 16, 16\) found, expected \(N, C, H, W\)"),
        ({"batch_size": 0}, "batch_size: 0 found, expected 1 or more"),
        (
            {"maps": {"ours": np.ones((8, 5, 5)), "others": np.ones((8, 4, 4))}},
            r"maps: ours \(8, 5, 5\) float64 found, expected .* \(8, 4, 4\), or .* \(8, 16, 16\)",
        ),
        ({"maps": {"ours": np.full((8, 4, 4), np.nan)}}, "maps: ours .* expected a finite number"),
        ({"groups": [1]}, "groups: 1 found, expected one per image, 8"),
        (
            {"network": network(Times()), "estimands": "features"},
            "estimands: features found",
        ),
    ],
)
def test_what_cannot_be_judged_names_the_argument(given, message):
    arguments = {"network": network(), "images": X, "metrics": "aopc", **SHORT, **given}
    with pytest.raises(FaithcamError, match=message):
        faithcam.concordance(**arguments)


def test_permutations_are_whole_blocks():
    with pytest.raises(FaithcamError, match="block: 6 of 6 permutations found, expected"):
        faithcam.contributions(network(), X, TRAINING, bounds=(0, 1), permutations=6)
