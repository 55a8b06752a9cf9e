"""Evaluation of changed windows only: the logits of whole forward passes, for less work."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Counting, awake, net_of, random_images, random_net, with_statistics
from torch import nn

from faithcam.core.seeding import torch_seed
from faithcam.models import registry
from faithcam.models.inference import InferenceNet, for_inference
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid
from faithcam.removal.incremental import Incremental
from faithcam.removal.windows import Span


def both_ways(model, images, region, steps=None):
    """Return the logits of whole passes of the model, of windows, and the evaluator."""
    size = (images.shape[2], images.shape[3])
    regions = grid(size, region)
    count = (int(regions[0].max()) + 1) * (int(regions[1].max()) + 1)
    order = torch.stack([torch.randperm(count)[:steps] for _ in images])
    replacement = torch.rand_like(images) * 2 - 1
    plain = Removal(model).logits(images, [order], regions, [replacement])[0, 0]
    evaluator = Incremental(for_inference(model, size), images, *regions)
    return plain, evaluator.logits(images, [order], [replacement])[0, 0], evaluator


def assert_same(plain, windows):
    """The drops agree far better than they are large, probabilities as closely as promised."""
    assert (plain.softmax(-1) - windows.softmax(-1)).abs().max() < 1e-4
    fall = (plain - plain[:, :1]).abs().max()
    assert (plain - windows).abs().max() <= 1e-3 * fall + 1e-6 * plain.abs().max()


# layers that can be computed in windows of 16 px, before squeeze-and-excitation or a LayerNorm
BEFORE_GLOBAL_LAYERS = {
    "convnext_tiny": 1,
    "efficientnet_b0": 4,
    "mobilenet_v3_small": 4,
    "mobilenet_v3_large": 21,
}


@pytest.mark.parametrize(
    ("architecture", "head"),
    [(name, "flatten") for name, spec in registry.ARCHITECTURES.items() if not spec.volumes]
    + [(name, "gap") for name in ("resnet_small", "vgg_small", "densenet121")],
)
def test_every_architecture_has_the_logits_of_whole_passes(architecture, head):
    small = registry.ARCHITECTURES[architecture].stride == 8
    size = 40 if small else 128
    with torch_seed("incremental", architecture):
        model = registry.build(architecture, head, 3, size).eval()
        if architecture in BEFORE_GLOBAL_LAYERS:
            awake(model.features, size)
        else:
            with_statistics(model)
        images = random_images(2, size)
        cells = registry.ARCHITECTURES[architecture].cells(size)
        for region in [8, 7, (cells, cells), 19] if small else [16, 11]:
            plain, windows, evaluator = both_ways(model, images, region, 5 if small else 3)
            assert_same(plain, windows)
            assert evaluator.layers >= BEFORE_GLOBAL_LAYERS.get(architecture, 5)
            assert 0 < evaluator.saved < evaluator.work


@pytest.mark.parametrize("architecture", BEFORE_GLOBAL_LAYERS)
def test_what_follows_a_layer_that_sees_the_whole_map_runs_whole(architecture):
    model = for_inference(registry.build(architecture, "flatten", 3, 128).eval(), (128, 128))
    evaluator = Incremental(model, torch.zeros(1, 3, 128, 128), *grid((128, 128), 16))
    graph, after = model.features, set()
    for node in graph.graph.nodes:
        module = graph.get_submodule(node.target) if node.op == "call_module" else None
        pools = isinstance(module, nn.AdaptiveAvgPool2d)
        if pools or node.target == "permute" or after & set(node.all_input_nodes):
            after.add(node)
    windows = {step.node for step in evaluator._steps}
    assert len(windows) == BEFORE_GLOBAL_LAYERS[architecture]
    assert after
    assert not windows & after


class Residual(nn.Module):
    """Sums, in-place steps, functions, and branches whose windows differ."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 1, 1)
        self.wide = nn.Conv2d(4, 4, 5, 2, 2)
        self.narrow = nn.Conv2d(4, 4, 1, 2)
        self.last = nn.Conv2d(8, 5, 3, 2, 1)

    def forward(self, x):
        x = F.relu(self.first(x), inplace=True)
        y = self.wide(x)
        y += self.narrow(x)
        y = torch.cat([F.silu(y), y + self.narrow(x), y - 1], dim=1)[:, :8]
        return F.relu(self.last(y), True)


class Dense(nn.Module):
    """Concatenations of all earlier outputs, BatchNorm before the convolution."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(4 * i), nn.ReLU(True), nn.Conv2d(4 * i, 4, 3, 1, 1))
            for i in (1, 2)
        )
        self.pool = nn.AvgPool2d(2)

    def forward(self, x):
        outputs = [self.first(x)]
        for layer in self.layers:
            outputs.append(layer(torch.cat(outputs, 1)))
        return self.pool(torch.cat(outputs, 1))


STACKS = {
    "residual": Residual,
    "dense": Dense,
    "pooling without ReLU, padded with -inf": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 5, 3, 2, 1)
    ),
    "rounding up": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(), nn.Conv2d(4, 5, 3, 2)
    ),
    "dilated and grouped": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=2, dilation=2, groups=3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2, dilation=2),
        nn.Conv2d(6, 5, 3, 2, groups=1),
    ),
    "oblong kernels": lambda: nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), (1, 2), (1, 2)), nn.AvgPool2d((2, 1), padding=(1, 0))
    ),
    "patches that do not overlap": lambda: nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.ReLU()),
    "patches with pixels left over": lambda: nn.Sequential(nn.Conv2d(3, 5, 5, 7), nn.ReLU()),
    "unknown layers": lambda: nn.Sequential(
        nn.Conv2d(3, 3, 3),
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.GroupNorm(2, 4),
        nn.Conv2d(4, 5, 3, 2, padding=1, padding_mode="reflect"),
    ),
}


@pytest.mark.parametrize("region", [3, 4, 5, (2, 3)])
@pytest.mark.parametrize("name", STACKS)
def test_every_kind_of_layer_has_the_logits_of_whole_passes(name, region):
    with torch_seed("incremental", name):
        images = torch.rand(3, 3, 22, 19) * 2 - 1
        plain, windows, evaluator = both_ways(net_of(STACKS[name](), (22, 19)), images, region)
    assert_same(plain, windows)
    assert evaluator.layers > 0
    assert evaluator.exact


@settings(deadline=None, max_examples=40)
@given(
    layers=st.lists(
        st.tuples(
            st.integers(1, 5),
            st.integers(1, 3),
            st.integers(0, 2),
            st.integers(1, 2),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    size=st.tuples(st.integers(14, 30), st.integers(14, 30)),
    region=st.integers(1, 14),
)
def test_any_stack_of_convolutions_and_pools_has_the_logits_of_whole_passes(layers, size, region):
    modules, (height, width) = [], size
    for kernel, stride, padding, dilation, pool in layers:
        padding = min(padding, kernel // 2)
        reach = (kernel - 1) * dilation + 1 - 2 * padding
        if min(height, width) < reach + stride:
            break
        geometry = (kernel, stride, padding, dilation)
        inputs = 4 if modules else 3
        modules.append(
            nn.MaxPool2d(*geometry)
            if pool and modules
            else nn.Conv2d(inputs, 4, *geometry[:3], dilation=dilation)
        )
        height, width = ((n - reach) // stride + 1 for n in (height, width))
    if not modules:
        return
    with torch_seed("incremental", str(layers)):
        model = net_of(nn.Sequential(*modules), size)
        images = torch.rand(2, 3, *size) * 2 - 1
        plain, windows, _ = both_ways(model, images, region, 6)
    assert_same(plain, windows)


class BatchStatistics(nn.Module):
    """Normalisation by what else is in the batch, hooks, keywords: nothing to do in windows."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 1, 1)
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)
        self.last = nn.Conv2d(8, 5, 3, 2, 1)
        self.last.register_forward_hook(double)

    def forward(self, x):
        x = self.first(x)
        return self.last(input=torch.cat(tensors=[self.norm(x), x], dim=1))


def double(module, inputs, output):
    return 2 * output


def test_layers_that_are_not_what_they_seem_run_whole():
    with torch_seed("incremental", "not what they seem"):
        images = torch.rand(1, 3, 22, 19) * 2 - 1
        plain, windows, evaluator = both_ways(net_of(BatchStatistics(), (22, 19)), images, 4)
    assert_same(plain, windows)
    assert evaluator.layers == 1


def test_an_evaluator_that_is_wrong_is_not_used(monkeypatch):
    model = for_inference(registry.build("vgg_small", "flatten", 3, 64).eval(), (64, 64))
    assert chosen(model, 24, 64, 8).exact

    def too_narrow(self, layer, extent):
        low = np.minimum(self.low // layer.stride, extent - 1)
        return Span(low, low + 1, extent)

    monkeypatch.setattr(Span, "after", too_narrow)
    assert chosen(model, 24, 64, 8) is None


def chosen(model, count, size, region, **options):
    images = torch.zeros(count, 3, size, size)
    return Removal(model, **options).incremental(images, grid((size, size), region))


def test_the_choice_follows_from_shapes_alone():
    model = registry.build("vgg_small", "flatten", 3, 64).eval()
    prepared = for_inference(model, (64, 64))
    assert chosen(prepared, 24, 64, 8) is not None
    assert chosen(prepared, 1, 64, 8) is None  # too little work to save
    assert chosen(prepared, 24, 64, 64) is None  # one region is all
    assert chosen(model, 24, 64, 8) is None  # not prepared for inference


def test_memory_is_bounded_and_changes_no_curve():
    model = for_inference(registry.build("vgg_small", "flatten", 3, 64).eval(), (64, 64))
    regions = grid((64, 64), 8)
    images, order = random_images(24, 64), torch.stack([torch.randperm(64)[:3] for _ in range(24)])
    arguments = (images, [order, order.flip(1)], regions, [random_images(24, 64, seed=1)])
    large, small = Removal(model), Removal(model, 10)
    counts = []
    evaluator = small.incremental(images, regions)
    evaluate = evaluator.logits

    def counted(part, *more):
        counts.append(len(part))
        return evaluate(part, *more)

    evaluator.logits = counted
    assert torch.allclose(large.logits(*arguments), small.logits(*arguments), atol=1e-5)
    assert len(counts) > 1
    assert sum(counts) == 24
    assert max(counts) * evaluator.bytes_per_image <= 10e6


def test_the_start_is_computed_once_and_equal_orders_are_evaluated_once():
    model, images = Counting(random_net()), random_images()
    a, b = (torch.stack([torch.randperm(16) for _ in range(4)]) for _ in range(2))
    noise = [random_images(seed=s) for s in (1, 2)]
    logits = Removal(model).logits(images, [a, b, a.clone()], grid((16, 16), 4), noise)
    assert logits.shape == (3, 2, 4, 17, 3)
    assert model.passes == 1 + 2 * 2 * 16
    assert torch.equal(logits[0], logits[2])
    assert not torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0, 0, :, 0], logits[1, 1, :, 0])


def test_bfloat16_is_a_rounding_of_float32():
    model = registry.build("vgg_small", "flatten", 3, 64).eval()
    images, regions = random_images(24, 64), grid((64, 64), 8)
    order = torch.stack([torch.randperm(64)[:3] for _ in range(24)])
    exact, rounded = (
        Removal(for_inference(model, (64, 64), dtype)).logits(images, [order], regions, [-images])
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert isinstance(for_inference(model, (64, 64), torch.bfloat16), InferenceNet)
    assert rounded.dtype == torch.float32
    difference = (exact.softmax(-1) - rounded.softmax(-1)).abs().max()
    assert 0 < difference < 0.02
