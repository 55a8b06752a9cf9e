"""Trained weights are looked at before any job: by their header, without torch."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faithcam.core.errors import FaithcamError
from faithcam.experiment import config as experiment
from faithcam.models import registry, weights
from faithcam.models.weights_header import problem

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
NETWORK = ("vgg_small", "flatten", 32, 3)


@pytest.fixture(scope="module")
def state():
    return registry.build("vgg_small", "flatten", 3, 32).state_dict()


def header(path, shapes, metadata=None):
    """Write a safetensors file of nothing but a header, as long as if it were whole."""
    end, tensors = 0, {}
    for name, shape in shapes.items():
        length = 4 * int(torch.Size(shape).numel())
        tensors[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + length]}
        end += length
    text = json.dumps(({"__metadata__": metadata} if metadata else {}) | tensors).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + end)


@pytest.mark.parametrize("head", ["flatten", "gap"])
@pytest.mark.parametrize("name", sorted(registry.ARCHITECTURES))
def test_every_network_takes_its_own_weights_and_no_others(name, head, tmp_path):
    size = max(64, registry.ARCHITECTURES[name].smallest_size())
    size += -size % registry.ARCHITECTURES[name].stride
    with torch.device("meta"):
        network = registry.build(name, head, 5, size)
    file = tmp_path / "w.safetensors"
    header(file, {key: tensor.shape for key, tensor in network.state_dict().items()})
    assert problem(file, name, head, size, 5) == problem(file, name, head, size, None) == ""
    assert "classifier.weight of [5, " in problem(file, name, head, size, 4)
    taken = {
        other
        for other in registry.ARCHITECTURES
        if not problem(file, other, head, size, 5) and other != name
    }
    # of these only what their file says of itself tells
    alike = ["resnet18 axial_resnet18", "vgg19 vgg19_thesis", "resnet_small axial_small"]
    alike += ["overlap_52 overlap_84"]
    assert not taken or any({name} | taken <= {*group.split()} for group in alike)


def test_what_was_saved_here_names_its_network(state, tmp_path):
    file = tmp_path / "w.safetensors"
    network = registry.build("vgg_small", "flatten", 3, 32)
    about = {"architecture": "vgg_small", "head": "flatten", "classes": 3, "size": 32}
    weights.save(network, file, about)
    assert problem(file, *NETWORK) == ""
    for key, value in {
        "architecture": "resnet_small",
        "head": "gap",
        "classes": 2,
        "size": 64,
    }.items():
        weights.save(network, file, about | {key: value})
        assert f"weights of {key} {value} found, expected {about[key]}" in problem(file, *NETWORK)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file, state: torch.save(state, file), "a PyTorch checkpoint found, expected safe"),
        (
            lambda file, state: torch.save(state, file, _use_new_zipfile_serialization=False),
            "a PyTorch checkpoint found, expected safetensors; convert it once: ",
        ),
        (lambda file, state: file.write_bytes(b""), "no whole safetensors file"),
        (lambda file, state: file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90)), "no whole safete"),
        (lambda file, state: file.write_bytes(bytes(8)), "no whole safetensors file"),
        (lambda file, state: file.write_bytes(struct.pack("<Q", 2) + b"[]"), "no whole safetens"),
        (lambda file, state: file.write_bytes(struct.pack("<Q", 2) + b"{}"), "no layers found"),
        (lambda file, state: cut(file, state, 5), "no whole safetensors file"),
        (lambda file, state: cut(file, state, 10**6), "no whole safetensors file"),
        (
            lambda file, state: save_file({f"module.{k}": v for k, v in state.items()}, file),
            "layers whose names begin with module. found, expected classifier.weight and others",
        ),
        (lambda file, state: save_file({"fc.weight": torch.ones(3, 4)}, file), "layers fc.weight"),
        (
            lambda file, state: save_file({"classifier.weight": torch.ones(3, 4)}, file),
            "classifier.weight of [3, 4] found, expected [3, 1024] of vgg_small-flatten for 32 px",
        ),
        (
            lambda file, state: save_file({"classifier.weight": state["classifier.weight"]}, file),
            "0 weights before the classifier found, expected ",
        ),
    ],
)
def test_what_is_no_weights_is_named_and_never_deleted(state, tmp_path, monkeypatch, make, words):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "w.safetensors"
    make(file, state)
    before = file.read_bytes()
    said = problem(file, *NETWORK)
    assert words in said
    assert "delete" not in said
    name = "phantom/vgg_small-flatten/seed0"
    files = [ROOT / "config.yaml", ROOT / "config" / "tiny.yaml"]
    config = experiment.merged(experiment.read(files), {"trained_weights": {name: "w.safetensors"}})
    with pytest.raises(FaithcamError) as error:
        experiment.validate(config, SCHEMA)
    assert f"trained_weights: w.safetensors: {words[:20]}" in str(error.value)
    assert f"({name})" in str(error.value)
    assert file.read_bytes() == before


def written(file, **changes):
    """Write the header of two tensors, changed, and as many bytes as they need unchanged."""
    one = {"dtype": "F32", "shape": [3, 1024], "data_offsets": [0, 12288]}
    two = {"dtype": "F32", "shape": [2], "data_offsets": [12288, 12296]}
    metadata = changes.pop("metadata", {})
    tensors = {"classifier.weight": one | changes, "other": two}
    text = json.dumps({"__metadata__": metadata} | tensors).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(12296))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "2 weights before"),  # whole, but of another network
        ({"metadata": ["a"]}, "__metadata__ is ['a'], expected text by name"),
        ({"metadata": {"epoch": 3}}, "__metadata__ is {'epoch': 3}, expected text by name"),
        (
            {"metadata": {"faithcam": "vgg"}},
            "faithcam in its __metadata__ is 'vgg', expected a JSO",
        ),
        (
            {"metadata": {"faithcam": "[1]"}},
            "faithcam in its __metadata__ is '[1]', expected a JSO",
        ),
        ({"dtype": "F33"}, "'classifier.weight' is {'dtype': 'F33', "),
        ({"dtype": 32}, "'classifier.weight' is {'dtype': 32, "),
        ({"dtype": "F64"}, "expected a dtype of F32, "),
        ({"shape": ["3", 1024]}, "'classifier.weight' is {"),
        ({"shape": [-3, -1024]}, "'classifier.weight' is {"),
        ({"shape": 3072}, "'classifier.weight' is {"),
        ({"data_offsets": [0]}, "'classifier.weight' is {"),
        ({"data_offsets": [12288, 0]}, "'classifier.weight' is {"),
        ({"data_offsets": [8, 12296]}, "classifier.weight begins at byte 8, expected 0"),
        ({"shape": [2], "data_offsets": [0, 8]}, "other begins at byte 12288, expected 8"),
        (
            {"shape": [3073], "data_offsets": [0, 12292]},
            "other begins at byte 12288, expected 12292",
        ),
    ],
)
def test_a_malformed_header_is_named(tmp_path, changes, words):
    written(tmp_path / "w", **changes)
    said = problem(tmp_path / "w", *NETWORK)
    assert words in said
    assert said.startswith("no whole safetensors file (") or not changes
    assert "\n" not in said
    with pytest.raises(FaithcamError, match="w: "):
        weights.load(tmp_path / "w", *NETWORK[:2], 3, 32)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(torch.float16, "F16"), (torch.bfloat16, "BF16"), (torch.float64, "F64")],
)
def test_weights_of_another_type_are_refused_and_converted_as_the_message_says(
    state, tmp_path, monkeypatch, kind, name
):
    monkeypatch.chdir(tmp_path)
    save_file({k: v.to(kind) if v.is_floating_point() else v for k, v in state.items()}, "FILE")
    said = problem(Path("FILE"), *NETWORK)
    assert said.startswith(f"weights of {name} found (classifier.bias), expected float32 (F32); ")
    with pytest.raises(FaithcamError, match=f"FILE: weights of {name} found"):
        weights.load(Path("FILE"), "vgg_small", "flatten", 3, 32)
    exec(said.split("convert them once: ")[1], {})
    actual = weights.load(Path("NEW"), "vgg_small", "flatten", 3, 32).state_dict()
    assert all(torch.equal(actual[key], state[key].to(kind).to(state[key])) for key in state)


def test_whole_numbers_for_weights_do_not_fit(state, tmp_path):
    state = state | {"classifier.bias": torch.zeros(3, dtype=torch.int64)}
    save_file(state, tmp_path / "w")
    words = r"classifier\.bias is int64 \[3\], expected float32 \[3\]"
    with pytest.raises(FaithcamError, match=words):
        weights.load(tmp_path / "w", "vgg_small", "flatten", 3, 32)


@pytest.mark.parametrize("value", [torch.nan, -torch.inf])
def test_weights_that_are_not_finite_are_refused_by_layer(state, tmp_path, value):
    broken = state["classifier.bias"].clone()
    broken[1] = value
    save_file(state | {"classifier.bias": broken}, tmp_path / "w")
    words = r"w: NaN or infinity found in 1 layers \(classifier\.bias\), expected finite numbers; t"
    with pytest.raises(FaithcamError, match=words):
        weights.load(tmp_path / "w", "vgg_small", "flatten", 3, 32)


def cut(file, state, length):
    save_file(state, file)
    file.write_bytes(file.read_bytes()[:-length])


def test_a_folder_is_no_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "phantom/vgg_small-flatten/seed0"
    config = experiment.merged(
        experiment.read([ROOT / "config.yaml"]), {"trained_weights": {name: "."}}
    )
    with pytest.raises(FaithcamError, match=r"trained_weights: \. is a folder, expected a file"):
        experiment.validate(config, SCHEMA)


def test_a_look_at_weights_does_not_import_torch():
    code = "import sys, faithcam.experiment.config; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow" / "scripts", check=True)


def test_a_checkpoint_is_converted_as_the_documentation_says(state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({f"module.{name}": value for name, value in state.items()}, "mine.pth")
    assert "a PyTorch checkpoint found" in problem(Path("mine.pth"), *NETWORK)
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    code = page.split("a PyTorch checkpoint found")[1].split("```python\n")[1].split("```")[0]
    code = code.replace(
        '"resnet18", "flatten", classes=2, size=224', '"vgg_small", "flatten", 3, 32'
    )
    exec(code, {})
    assert problem(Path("mine.safetensors"), *NETWORK) == ""
    actual = weights.load(Path("mine.safetensors"), "vgg_small", "flatten", 3, 32).state_dict()
    assert all(torch.equal(actual[name], state[name]) for name in state)
