"""Where the activations of a network lie, and that its parts are the network for any images."""

import pytest
import torch
from torch import nn

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed


class Forward(nn.Module):
    """A network of 4 channels and 8 x 12 cells, whose forward is a function of its layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        with torch_seed(5, "forward"):
            self.f = nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU())
            self.head = nn.Linear(4, 3)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def images(count=2):
    return torch.rand(count, 3, 32, 48, generator=torch.Generator().manual_seed(3))


def outputs(network, x):
    with torch.no_grad():
        return network.eval()(x)


def recurrent(net, x):
    tokens, _ = net.r(net.f(x).permute(0, 3, 1, 2).flatten(2))
    return net.last(tokens[:, -1])


UPRIGHT = {
    "a norm over channels and space": (
        lambda n, x: n.head(n.ln(n.f(x)).relu().mean((2, 3))),
        {"ln": nn.LayerNorm([4, 8, 12])},
    ),
    "a linear layer over columns": (
        lambda n, x: n.head(n.li(n.f(x)).relu().mean((2, 3))),
        {"li": nn.Linear(12, 12)},
    ),
    "axes moved there and back": (
        lambda n, x: n.head(n.ln(n.f(x).movedim(1, -1)).movedim(-1, 1).mean((2, 3))),
        {"ln": nn.LayerNorm(4)},
    ),
    "axes swapped twice": (
        lambda n, x: n.head(n.ln(n.f(x).transpose(1, 3)).transpose(1, 3).mean((2, 3))),
        {"ln": nn.LayerNorm(4)},
    ),
    "negative axes": (
        lambda n, x: n.head(n.ln(n.f(x).permute(0, 2, 3, 1)).permute(0, -1, 1, 2).mean((2, 3))),
        {"ln": nn.LayerNorm(4)},
    ),
    "channels last to the end": (
        lambda n, x: n.head(n.ln(n.f(x).permute(0, 2, 3, 1)).mean((1, 2))),
        {"ln": nn.LayerNorm(4)},
    ),
    "transposed": (lambda n, x: n.head(n.f(x).transpose(2, 3).mean((2, 3))), {}),
    "another view": (lambda n, x: n.head(n.f(x).view(len(x), 4, 96, 1).mean((2, 3))), {}),
    "a recurrent head": (
        recurrent,
        {"r": nn.LSTM(32, 5, batch_first=True), "last": nn.Linear(5, 3)},
    ),
}
LOOK_FAR = "a norm over channels and space"  # each cell at all others


@pytest.mark.parametrize("name", UPRIGHT)
def test_a_map_lies_as_the_image_does(name):
    """What changes in a corner of the image changes A in that corner, whatever way axes went."""
    forward, layers = UPRIGHT[name]
    net, x = Forward(forward, **layers).eval(), images()
    parts = faithcam.split(net, x)
    A = parts.activations(x)
    assert tuple(A.shape) == (2, 4, 8, 12)
    torch.testing.assert_close(parts(x), outputs(net, x))
    changed = x.clone()
    changed[:, :, :8, 40:] += 1  # above at the right
    moved = (parts.activations(changed) - A).abs().sum(1)
    assert float(moved[:, :3, 9:].max()) > 0
    if name != LOOK_FAR:
        assert float(moved[:, 3:].max()) == float(moved[:, :, :9].max()) == 0


# --- for any images -------------------------------------------------------------------------------


def in_place(net, x):
    a = net.f(x)
    a.clamp_(max=6)  # more than the images have that a split is checked on
    return net.head(a.mean((2, 3)))


def input_in_place(net, x):
    x = x.clone()
    x.clamp_(0, 1)
    return net.head(net.f(x).mean((2, 3)))


def by_its_largest_value(net, x):
    size = x.abs().amax().item()
    return net.head(net.f(x / size).mean((2, 3))) * size


def beside(net, x):
    a = net.f(x)
    if float(a.sum()) < -1e9:
        a = a * 0
    return net.head(a.mean((2, 3))) + 5 * x.mean((2, 3))


@pytest.mark.parametrize("forward", [in_place, input_in_place, by_its_largest_value, beside])
def test_parts_are_the_network_for_any_images_or_there_are_none(forward):
    net, first = Forward(forward).eval(), images(1)
    try:
        parts = faithcam.split(net, first * 0 + (forward is not beside) * first)
    except FaithcamError as error:
        why = "an image alone" if forward is by_its_largest_value else "name a layer"
        assert why in str(error)  # noqa: PT017
        assert forward in (by_its_largest_value, beside)
        return
    for size in (0.1, 1, 20):
        x = first * size
        torch.testing.assert_close(parts(x), outputs(net, x), rtol=1e-4, atol=1e-4)


def test_a_branch_that_images_take_is_seen_when_they_are_explained():
    def forward(net, x):
        return (net.head if float(x.mean()) < 30 else net.other)(net.f(x).mean((2, 3)))

    net, x = Forward(forward, other=nn.Linear(4, 3)), images(4)
    faithcam.explain(net, x, batch_size=2)
    with pytest.raises(FaithcamError, match=r"network: what stands behind f\S* depends on more"):
        faithcam.explain(net, x + 40, batch_size=2)


def test_a_head_that_bends_for_large_values_has_no_closed_form():
    net = Forward(lambda n, x: n.head(n.bent(n.f(x).mean((2, 3)))), bent=nn.Hardtanh(-3, 3))
    assert faithcam.split(net, images()).head == "other"


def test_a_hook_on_the_last_layer_is_part_of_the_network():
    net = Forward(lambda n, x: n.head(n.f(x).mean((2, 3)))).eval()
    assert faithcam.split(net, images()).head == "gap"
    net.head.register_forward_hook(lambda module, args, output: output * 10)
    parts = faithcam.split(net, images())
    assert parts.head == "other"
    torch.testing.assert_close(parts(images()), outputs(net, images()))


def test_a_compiled_network_is_split_as_what_it_was_made_from():
    net = Forward(lambda n, x: n.head(n.f(x).mean((2, 3))))
    assert faithcam.split(torch.compile(net, backend="eager"), images()).head == "gap"


def test_a_network_that_is_random_in_eval_mode_is_named():
    net = Forward(lambda n, x: n.head(nn.functional.dropout(n.f(x)).mean((2, 3))))
    with pytest.raises(FaithcamError, match="Forward says something else of the same images"):
        faithcam.split(net, images())


def test_a_network_whose_answer_depends_on_the_other_images_is_named():
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    net = Forward(lambda n, x: n.head(norm(n.f(x)).mean((2, 3)))).eval()
    with pytest.raises(FaithcamError, match="says something else of an image alone than of the sa"):
        faithcam.split(net, images())
