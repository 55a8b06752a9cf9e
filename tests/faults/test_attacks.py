"""What was made to do harm does none: it is refused, or plain text; nothing of it is run."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import classes
from payload import Payload
from workspace import ROOT

from faithcam.core.errors import FaithcamError
from faithcam.data import prepare
from faithcam.data.dataset import open_dataset
from faithcam.experiment import config as experiment
from faithcam.models import weights
from faithcam.results import io as tables

pytestmark = [pytest.mark.faults, pytest.mark.counts("attacks")]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
BASE = [ROOT / "config.yaml", ROOT / "config" / "tiny.yaml"]


@pytest.fixture(autouse=True)
def nothing_is_owned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.rglob("owned"))


def test_the_payload_works_where_pickles_are_loaded():
    torch.save(Payload(), "w.pt")
    torch.load("w.pt", weights_only=False)
    Path("owned").unlink()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_for_trained_weights(zipped):
    torch.save({"w": Payload()}, "w.safetensors", _use_new_zipfile_serialization=zipped)
    name = "phantom/vgg_small-flatten/seed0"
    config = experiment.read(BASE)
    config["trained_weights"] = {name: "w.safetensors"}
    with pytest.raises(FaithcamError, match=r"w\.safetensors: .* expected weights alone"):
        experiment.validate(config, SCHEMA)
    with pytest.raises(FaithcamError, match=r"w\.safetensors"):
        weights.load(Path("w.safetensors"), "vgg_small", "flatten", 3, 32)


@pytest.mark.parametrize("name", ["images.npy", "masks.npy"])
def test_a_pickle_for_prepared_images(name):
    definition = {"source": "phantom", "size": 16, "train": 6, "val": 6, "test": 6}
    prepare.prepare("d", definition, 1, [], Path("data"))
    np.save(Path("data", name), np.array([Payload()] * 18, dtype=object), allow_pickle=True)
    with pytest.raises(FaithcamError, match="data"):
        open_dataset(Path("data"))


@pytest.mark.parametrize(
    "text",
    [
        "training: !!python/object/apply:os.mknod [owned]",
        "seed: !!python/object/apply:subprocess.check_call [[touch, owned]]",
        "results: !!python/object/new:os.system ['touch owned']",
        "!!python/object/apply:eval [\"open('owned', 'w')\"]",
        "seeds: !!python/name:os.system",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
    ],
)
def test_a_config_that_is_a_program(text):
    Path("mine.yaml").write_text(text)
    with pytest.raises(FaithcamError, match=r"mine\.yaml|config: "):
        experiment.validate(experiment.read([*BASE, "mine.yaml"]), SCHEMA)


SHELL = [
    "$(touch owned)",
    "`touch owned`",
    "a;touch owned",
    "a|touch owned",
    "a\ntouch owned",
    "a'\"&",
]


@pytest.mark.parametrize("name", SHELL)
def test_a_name_that_a_shell_would_run_is_refused_in_a_config(name):
    phantom = {"source": "phantom", "size": 32, "train": 60, "val": 48, "test": 48}
    for change in (
        {"datasets": [name], "dataset_definitions": {name: phantom}},
        {"architectures": [name]},
        {"metrics": [name]},
        {"methods": [name]},
        {"trained_weights": {f"{name}/vgg_small-gap/seed0": "w.safetensors"}},
    ):
        with pytest.raises(FaithcamError, match="config: "):
            experiment.validate(experiment.merged(experiment.read(BASE), change), SCHEMA)


MARKUP = [
    "<script>alert(1)",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "{{ 7 * 7 }}",
    "{x}",
    "-rf",
]


@pytest.mark.parametrize("name", [name for name in SHELL + MARKUP if "\n" not in name])
def test_a_class_folder_of_any_name_is_a_class(name):
    classes(Path("images"), names=[name, "other"])
    definition = {"source": "folder", "path": "images", "size": 8}
    prepare.prepare("d", definition, 1, [], Path("out"))
    assert open_dataset(Path("out")).classes == tuple(sorted([name, "other"]))
    names = tables.read("out/table.parquet")["name"].to_pylist()
    assert sum(text.startswith(f"{name}{os.sep}") for text in names) == 6
