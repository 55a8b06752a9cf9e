"""Trained weights are looked at before any job: by their header, without torch."""

import argparse
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faithcam.core.errors import FaithcamError
from faithcam.experiment import config as experiment
from faithcam.models import checkpoint, registry, weights
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
        (lambda file, state: torch.save(network(), file), "a whole network (torch.nn.modules."),
        (
            lambda file, state: torch.save(network(), file, _use_new_zipfile_serialization=False),
            "a whole network (torch.nn.modules.",
        ),
        (
            lambda file, state: torch.save({"a": state, "b": argparse.Namespace()}, file),
            "a pickle with argparse.Namespace found, expected weights alone; save the state dict",
        ),
        (
            lambda file, state: torch.save(state, file, pickle_protocol=4),
            "pickle protocol 4 found, expected 2; save without pickle_protocol: torch.save(network",
        ),
        (lambda file, state: shortened(file, state), "no whole PyTorch checkpoint (File is not"),
        (lambda file, state: file.write_bytes(b"\x80\x02"), "no whole PyTorch checkpoint ("),
        (
            lambda file, state: zipped(file),
            "no whole PyTorch checkpoint (a zip archive without data.pkl, which torch.save",
        ),
        (lambda file, state: file.write_bytes(b""), "no whole safetensors file"),
        (lambda file, state: file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90)), "no whole safete"),
        (lambda file, state: file.write_bytes(bytes(8)), "no whole safetensors file"),
        (lambda file, state: file.write_bytes(struct.pack("<Q", 2) + b"[]"), "no whole safetens"),
        (lambda file, state: file.write_bytes(struct.pack("<Q", 2) + b"{}"), "no layers found"),
        (lambda file, state: cut(file, state, 5), "no whole safetensors file"),
        (lambda file, state: cut(file, state, 10**6), "no whole safetensors file"),
        (
            lambda file, state: save_file({"module.classifier.weight": torch.ones(3, 4)}, file),
            "classifier.weight of [3, 4] found, expected [3, 1024] of vgg_small-flatten for 32 px",
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


def network():
    return registry.build("vgg_small", "flatten", 3, 32)


def shortened(file, state):
    torch.save(state, file)
    file.write_bytes(file.read_bytes()[:-300])


def zipped(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")


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


def test_a_safetensors_file_that_begins_like_a_pickle_is_none(state, tmp_path):
    file = tmp_path / "w.safetensors"
    for extra in range(80):  # until the header's length ends in that byte
        save_file(state, file, metadata={"note": "x" * 8 * extra})
        if file.read_bytes()[0] == 0x80:
            break
    assert file.read_bytes()[:1] == checkpoint.STARTS[1]
    assert problem(file, *NETWORK) == ""
    weights.load(file, "vgg_small", "flatten", 3, 32)


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "network.backbone."])
@pytest.mark.parametrize("key", ["", "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("new", [True, False])
def test_checkpoints_are_taken_as_trainers_write_them(state, tmp_path, capsys, prefix, key, new):
    file = tmp_path / "w.ckpt"
    named = {f"{prefix}{name}": value for name, value in state.items()}
    content = {"epoch": 3, key: named} if key else named
    torch.save(content, file, _use_new_zipfile_serialization=new)
    assert problem(file, *NETWORK) == ""
    actual = weights.load(file, "vgg_small", "flatten", 3, 32).state_dict()
    assert all(torch.equal(actual[name], state[name]) for name in state)
    said = f"{file}: the names of all layers begin with {prefix}, which is taken off"
    assert (said in capsys.readouterr().out) == bool(prefix)


def test_layers_with_and_without_a_prefix_are_not_mixed(state, tmp_path):
    named = {f"module.{name}": value for name, value in state.items()}
    name = next(iter(state))
    torch.save({**named, name: state[name] + 1}, tmp_path / "w.pth")
    with pytest.raises(FaithcamError, match=f"module.{name} is not expected"):
        weights.load(tmp_path / "w.pth", "vgg_small", "flatten", 3, 32)


def test_a_prefix_in_safetensors_is_taken_off_and_its_header_is_looked_at(state, tmp_path):
    file = tmp_path / "w"
    save_file({f"module.{name}": value for name, value in state.items()}, file)
    assert problem(file, *NETWORK) == ""
    assert "classifier.weight of [3, 1024] found, expected [4, " in problem(file, *NETWORK[:3], 4)
    weights.load(file, "vgg_small", "flatten", 3, 32)


def test_what_does_not_fit_is_listed_by_name(state, tmp_path):
    named = {f"module.{name}": value for name, value in state.items()}
    named["module.extra"] = torch.ones(1)
    named["module.classifier.bias"] = torch.ones(4)
    del named["module.features.0.weight"]
    torch.save(named, tmp_path / "w.pth")
    with pytest.raises(FaithcamError) as error:
        weights.load(tmp_path / "w.pth", "vgg_small", "flatten", 3, 32)
    said = str(error.value)
    assert "features.0.weight is missing; extra is not expected; " in said
    assert "classifier.bias is float32 [4], expected float32 [3]" in said
    assert "delete" not in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"epoch": 3, "optimizer": {}}, "a dict of epoch, optimizer found, expected a state dict"),
        ([1, 2], "list found, expected a state dict"),
        ({"state_dict": {"a": 1}}, "a dict of state_dict found, expected a state dict"),
        ({"a": torch.ones(1), "hyper": slice(3)}, "more than weights found ("),
    ],
)
def test_checkpoints_without_weights_say_what_to_save(tmp_path, content, words):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(FaithcamError) as error:
        weights.load(tmp_path / "w.pth", "vgg_small", "flatten", 3, 32)
    assert words in str(error.value)
    assert 'torch.save(network.state_dict(), "weights.pth")' in str(error.value)


def test_an_old_checkpoint_that_was_cut_short_is_named(state, tmp_path):
    file = tmp_path / "w.pth"
    torch.save(state, file, _use_new_zipfile_serialization=False)
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(
        FaithcamError, match=r"w\.pth: no whole PyTorch checkpoint .*; copy or write"
    ):
        weights.load(file, "vgg_small", "flatten", 3, 32)
