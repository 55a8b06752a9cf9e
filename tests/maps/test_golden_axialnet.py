"""AxialNet's maps as the HiResCAM demo's own functions give them (github.com/rachellea/hirescam).

Weights and volume are drawn by a rule; the file holds what the demo made of them.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from faithcam.maps.explain import explain
from faithcam.models import registry

FILE = Path(__file__).parents[1] / "golden" / "axialnet.npz"
PIXELS = 420


def drawn(name, shape, random):
    z = random.standard_normal(shape)
    if len(shape) == 4:
        z *= np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith("running_var"):
        z = 1 + 0.1 * abs(z)
    elif name.endswith("weight"):
        z = 1 + 0.1 * z
    else:
        z *= 0.1
    return torch.from_numpy(z.astype(np.float32))


@pytest.fixture(scope="module")
def demo():
    with np.load(FILE, allow_pickle=False) as file:
        numbers = {name: file[name] for name in file.files}
    random = np.random.Generator(np.random.Philox(key=7))
    shapes = map(ast.literal_eval, numbers["shapes"].tolist())
    values = [drawn(n, s, random) for n, s in zip(numbers["parameters"], shapes, strict=True)]
    model = registry.build("axial_resnet18", "flatten", len(numbers["bias"]), PIXELS).eval()
    state = {n: v for n, v in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    filled = {n: v.reshape(state[n].shape) for n, v in zip(state, values, strict=True)}
    model.load_state_dict(filled, strict=False)
    volume = random.uniform(-1, 1, (1, 3, 3, PIXELS, PIXELS)).astype(np.float32)
    return model, torch.from_numpy(volume), numbers


def close(actual, expected):
    assert np.abs(actual.numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


def test_logits_and_bias(demo):
    model, volume, numbers = demo
    with torch.no_grad():
        close(model(volume)[0], numbers["logits"])
    assert np.array_equal(model.classifier.bias.detach().numpy(), numbers["bias"])


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_maps_of_three_classes(demo, method):
    model, volume, numbers = demo
    classes = torch.from_numpy(numbers["classes"])
    maps = explain(model, volume.expand(len(classes), -1, -1, -1, -1), classes, [method])[method]
    for ours, theirs in zip(maps, numbers[method], strict=True):
        close(ours, theirs)
