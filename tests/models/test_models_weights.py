"""Weights: strict loading, and downloads that end whole or not at all."""

import hashlib
import json
import re
import resource
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from put import put
from safetensors.torch import save_file

from faithcam.core.errors import FaithcamError
from faithcam.models import fetching, imagenet, registry, torchvision_nets, weights
from faithcam.results.checksums import checksum

ABOUT = {"architecture": "vgg_small", "head": "flatten", "classes": 2, "size": 28}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = registry.build("vgg_small", "flatten", 2, 28).eval()
    weights.save(model, tmp_path / "weights.safetensors", ABOUT)
    return model, tmp_path / "weights.safetensors"


def test_saved_weights_come_back_in_evaluation_mode_and_channels_last(saved):
    model, path = saved
    state = torch.get_rng_state()
    loaded = weights.load(path, "vgg_small", "flatten", 2, 28)
    assert torch.equal(torch.get_rng_state(), state)
    assert not loaded.training
    first = loaded.features[3].weight
    assert first.is_contiguous(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 28, 28)
    torch.testing.assert_close(loaded(images), model(images))


def test_the_same_weights_give_the_same_bytes(saved, tmp_path):
    model, path = saved
    weights.save(model.channels_last(), tmp_path / "b", dict(reversed(ABOUT.items())))
    assert path.read_bytes() == (tmp_path / "b").read_bytes()


def test_the_bytes_are_those_of_save_file(saved, tmp_path):
    model, path = saved
    text = {"faithcam": json.dumps(ABOUT, sort_keys=True)}
    save_file(model.state_dict(), tmp_path / "b", metadata=text)
    assert path.read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_cannot_grow_is_an_oserror(saved, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            weights.save(saved[0], tmp_path / "b", ABOUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "b").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("vgg_small", "flatten", 2, 64), "weights of size 28 found, expected 64"),
        (("vgg_small", "gap", 2, 28), "weights of head flatten found, expected gap"),
        (("vgg_small", "flatten", 3, 28), "weights of classes 2 found, expected 3"),
        (
            ("resnet_small", "flatten", 2, 28),
            "architecture vgg_small found, expected resnet",
        ),
    ],
)
def test_weights_of_another_network_are_refused(saved, wanted, message):
    with pytest.raises(FaithcamError, match=message):
        weights.load(saved[1], *wanted)


def test_weights_without_metadata_are_checked_key_by_key(saved, tmp_path):
    state, path = saved[0].state_dict(), tmp_path / "foreign.safetensors"
    save_file(state, path)
    weights.load(path, "vgg_small", "flatten", 2, 28)
    shapes = r"classifier.weight of \[2, 1024\] found, expected \[2, 4096\] of vgg_small-flatten"
    with pytest.raises(FaithcamError, match=shapes):
        weights.load(path, "vgg_small", "flatten", 2, 64)
    state["classifier.extra"] = state.pop("classifier.bias")
    save_file(state, path)
    with pytest.raises(
        FaithcamError, match=r"classifier\.bias is missing; classifier\.extra is not"
    ):
        weights.load(path, "vgg_small", "flatten", 2, 28)


def test_missing_and_truncated_files_are_named(saved, tmp_path):
    with pytest.raises(FaithcamError, match=r"none\.safetensors: no such file"):
        weights.load(tmp_path / "none.safetensors", *ABOUT.values())
    saved[1].write_bytes(saved[1].read_bytes()[:-9])
    with pytest.raises(FaithcamError, match="no whole safetensors file"):
        weights.load(saved[1], *ABOUT.values())


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file like the published one of ResNet34, with weights of our own."""
    torch.manual_seed(1)
    state = torchvision_nets.import_torchvision().models.resnet34().state_dict()
    path = tmp_path_factory.mktemp("published") / "resnet34-b627a593.pth"
    torch.save(state, path)
    return state, path


def publish(monkeypatch, architecture, path, digits):
    """Make a file the published one of an architecture."""
    spec = replace(registry.ARCHITECTURES[architecture], imagenet=(path.name, digits))
    monkeypatch.setitem(registry.ARCHITECTURES, architecture, spec)


def recorded(path):
    return put(path.with_suffix(".json"), json.dumps({"file": str(path)}))


@pytest.mark.parametrize("architecture", ["resnet34", "resnet34_thesis"])
def test_imagenet_weights_fill_the_features_but_a_replaced_block(
    published, architecture, monkeypatch
):
    state, path = published
    publish(monkeypatch, architecture, path, checksum(path, "sha256")[:8])
    model = registry.build(architecture, "gap", 2, 97)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    imagenet.load(model, architecture, recorded(path))
    for key, value in model.features.state_dict().items():
        block = architecture == "resnet34_thesis" and key.startswith("layer4.2.")
        assert torch.equal(value, fresh["features." + key] if block else state[key]), key
    assert torch.equal(model.classifier.weight, fresh["classifier.weight"])


def test_wrong_imagenet_files_are_refused(published, tmp_path, monkeypatch):
    state, path = published
    model = registry.build("resnet34", "gap", 2, 97)
    with pytest.raises(FaithcamError, match="resnet_small has no ImageNet weights"):
        imagenet.load(model, "resnet_small", recorded(path))
    other = tmp_path / "other.pth"
    torch.save({k: v for k, v in state.items() if k != "layer1.0.conv1.weight"}, other)
    publish(monkeypatch, "resnet34", other, checksum(other, "sha256"))
    with pytest.raises(FaithcamError, match=r"Missing key.*layer1\.0\.conv1\.weight"):
        imagenet.load(model, "resnet34", recorded(other))


@pytest.mark.parametrize("content", [None, b"half a file"])
def test_a_wrong_imagenet_file_is_set_aside_and_its_record_goes(tmp_path, content):
    model = registry.build("resnet34", "gap", 2, 97)
    path = tmp_path / "file.pth"
    record, found, moved, left = recorded(path), "no file", "", []
    if content:
        path.write_bytes(content)
        digest = checksum(path, "sha256")
        left = [f"{path}.wrong-{digest[:12]}"]
        found, moved = f"sha256 {digest}", f"it is now {left[0]}; "
    message = rf"{found} found, sha256 b627a593.* expected; {moved}run again"
    with pytest.raises(FaithcamError, match=message):
        imagenet.load(model, "resnet34", record)
    assert [str(file) for file in tmp_path.iterdir()] == left


def published_name(architecture):
    """Return the name of the network of torchvision that an architecture is made from."""
    return architecture.removesuffix("_thesis").removeprefix("axial_")


@pytest.mark.parametrize(
    "architecture", [name for name, spec in registry.ARCHITECTURES.items() if spec.imagenet]
)
def test_the_published_keys_are_the_features_keys(architecture):
    name = published_name(architecture)
    with torch.device("meta"):
        state = torchvision_nets.network(name).state_dict()
    trunk = registry.imagenet_features(architecture, state)
    fresh = {"resnet34_thesis": "layer4.2.", "resnet50_thesis": "layer4.2."}
    fresh |= {"convnext_tiny": "norm.", "axial_resnet18": "reduction."}
    keys = registry.features(architecture).state_dict().keys()
    assert trunk.keys() == {k for k in keys if not k.startswith(fresh.get(architecture, "-"))}
    del state[next(iter(state))]
    with pytest.raises(RuntimeError, match="Missing key"):
        registry.imagenet_features(architecture, state)


def test_densenets_published_file_has_older_names(tmp_path, monkeypatch):
    network = torchvision_nets.network("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")  # younger than the file
    }
    path = tmp_path / "densenet121-a639ec97.pth"
    torch.save(old, path)
    publish(monkeypatch, "densenet121", path, checksum(path, "sha256"))
    model = registry.build("densenet121", "gap", 2, 125)
    imagenet.load(model, "densenet121", recorded(path))
    for key, value in network.features.state_dict().items():
        assert torch.equal(model.features.state_dict()[key], value), key


PAYLOAD = bytes(range(256)) * 40


@pytest.fixture
def server(monkeypatch):
    """Serve what ``answers`` lists on 127.0.0.1, one after another, then the right file."""
    digest = hashlib.sha256(PAYLOAD).hexdigest()
    publish(monkeypatch, "resnet18", Path("file.pth"), digest)
    answers, requests = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            status, body, length = answers.pop(0) if answers else (200, PAYLOAD, len(PAYLOAD))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/models/", answers, requests
        http.shutdown()
        thread.join()


def test_a_whole_file_is_fetched_once(server, tmp_path):
    url, _, requests = server
    path = fetching.download("resnet18", tmp_path / "new folder", url, pause=0)
    fetching.record("resnet18", tmp_path / "new folder", tmp_path / "record.json")
    record = json.loads((tmp_path / "record.json").read_text())
    assert record == {"file": str(path), "sha256": checksum(path, "sha256")}
    assert path.read_bytes() == PAYLOAD
    assert fetching.download("resnet18", tmp_path / "new folder", url, pause=0) == path
    assert requests == ["/models/file.pth"]


def test_a_truncated_file_is_set_aside_said_and_fetched_again(server, tmp_path, capsys):
    (tmp_path / "file.pth").write_bytes(PAYLOAD[:100])
    fetching.download("resnet18", tmp_path, server[0], pause=0)
    assert (tmp_path / "file.pth").read_bytes() == PAYLOAD
    (kept,) = tmp_path.glob("file.pth.wrong-*")
    assert kept.read_bytes() == PAYLOAD[:100]
    assert f"expected: it is now {kept}" in capsys.readouterr().out


def test_bad_answers_are_repeated(server, tmp_path, capsys):
    url, answers, requests = server
    answers += [(503, b"", 0), (200, PAYLOAD[:100], len(PAYLOAD))]
    assert fetching.download("resnet18", tmp_path, url, pause=0).read_bytes() == PAYLOAD
    assert len(requests) == 3
    assert capsys.readouterr().out.count("trying again") == 2


def test_a_file_that_stays_wrong_is_an_error_and_leaves_nothing(server, tmp_path):
    url, answers, _ = server
    answers += [(200, b"other", 5)] * 3
    with pytest.raises(FaithcamError, match=r"sha256 .* found.*3 attempts failed"):
        fetching.download("resnet18", tmp_path, url, pause=0)
    assert list(tmp_path.iterdir()) == []


def test_the_files_are_those_of_torchvision_named_by_their_checksum():
    models = torchvision_nets.import_torchvision().models
    for name, spec in registry.ARCHITECTURES.items():
        if spec.imagenet:
            file, digits = imagenet.weights(name)
            weights = models.get_model_weights(published_name(name)).IMAGENET1K_V1
            assert weights.url == fetching.BASE_URL + file
            assert file.endswith(f"-{digits[:8]}.pth")
            assert len(digits) in (8, 64)


def test_metadata_is_one_entry(saved):
    header = saved[1].read_bytes()
    length = int.from_bytes(header[:8], "little")
    metadata = json.loads(header[8 : 8 + length])["__metadata__"]
    assert list(metadata) == ["faithcam"]
    assert json.loads(metadata["faithcam"]) == ABOUT
