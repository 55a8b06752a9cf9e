"""docs/extending.md, followed to the letter: its files and config lines, and nothing else."""

import importlib.util
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from workspace import ROOT, Workspace, copy_repository

from faithcam.core import plugins
from faithcam.core.seeding import torch_seed
from faithcam.models.camnet import CamNet
from faithcam.models.measure import measure
from faithcam.results import files
from faithcam.results import io as tables

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = BLOCK.findall(TEXT)
NAMED = re.compile(r"# mylab/(\w+)\.py\n")
PARTS = ("method", "spec", "score", "network", "collection")  # in the order of the page
# name and text of the files of the package
FILES = dict(
    zip(
        PARTS,
        [
            (named[1], text[named.end() :])
            for kind, text in BLOCKS
            if kind == "python" and (named := NAMED.match(text))
        ],
        strict=True,
    )
)
CONFIGS = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml"]
LINES, MINE = CONFIGS[:-1], CONFIGS[-1]
# the smallest experiment with these parts alone
SMALL = {
    "explained_images": 6,
    "seeds": [0],
    "heads": ["flatten"],
    "controls": ["sham"],
    "datasets": ["busi"],
    "dataset_definitions": {"busi": {"size": 32}},
    "training": {"epochs": 3},
    "truth": {"images": 6, "estimands": ["background"]},
}


def module(part):
    """Import a file of the page, without the package knowing."""
    name, text = FILES[part]
    spec = importlib.util.spec_from_loader(f"page_{name}", loader=None)
    actual = importlib.util.module_from_spec(spec)
    exec(compile(text, name, "exec"), actual.__dict__)
    return actual


def new(key):
    """Return what the page adds to a list of the config."""
    known = yaml.safe_load((ROOT / "config.yaml").read_text())[key]
    (name,) = [name for name in MINE[key] if name not in known]
    return name


def test_the_page_has_a_file_and_a_line_for_each_part():
    assert FILES["spec"][0] == f"{FILES['score'][0]}_spec"
    merged = {"results": "results/mine"}
    for line in LINES:
        merged |= line
    assert merged == MINE


def test_the_page_s_entry_points_name_the_files_that_declare_something():
    (text,) = [text for kind, text in BLOCKS if kind == "toml"]
    found = tomllib.loads(text)["project"]["entry-points"]
    assert list(found) == list(plugins.GROUPS.values())
    named = [place for group in found.values() for place in group.values()]
    assert named == [f"mylab.{FILES[part][0]}" for part in PARTS if part != "score"]


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_the_method_is_the_score_of_what_is_left_of_a(head):
    with torch_seed("extending"):
        inputs = 5 * 6 * 6 if head == "flatten" else 5
        model = CamNet(torch.nn.ReLU(), torch.nn.Linear(inputs, 3), head).double().eval()
        A = torch.rand(2, 5, 6, 6, dtype=torch.float64)
    classes = torch.tensor([2, 0])
    gradients = model.cell_weights(A.shape)[classes]
    with torch.no_grad():
        computed = module("method").reciprocam((gradients * A).sum(1))
        for i in range(6):
            for j in range(6):
                near = torch.zeros(6, 6, dtype=torch.float64)
                for di, dj in np.ndindex(3, 3):
                    if 0 <= i + di - 1 < 6 and 0 <= j + dj - 1 < 6:
                        near[i + di - 1, j + dj - 1] = (2 - abs(di - 1)) * (2 - abs(dj - 1)) / 16
                left = model.logits(A * near) - model.classifier.bias
                assert torch.allclose(computed[:, i, j], left[range(2), classes])


def test_the_facts_of_the_network_are_what_the_page_measures():
    page = module("network")
    ((name, spec),) = page.ARCHITECTURES.items()
    actual = measure(page.features(name))
    assert actual == replace(spec, windows=1.0)
    (output,) = [text for kind, text in BLOCKS if kind == "text"]
    assert repr(actual).startswith(output.split(", ...")[0])


def archive(path):
    """Write an archive like BUSI's: as many images, but small; the lesion's brightness tells."""
    random = np.random.default_rng(0)

    def png(array):
        content = io.BytesIO()
        Image.fromarray(array).save(content, "png")
        return content.getvalue()

    with zipfile.ZipFile(path, "w") as file:
        for kind, (label, images) in enumerate(
            module("collection").COLLECTION.counts({})[""].items()
        ):
            for i in range(images):
                pixels = random.integers(0, 60, (16, 16), dtype=np.uint8)
                mask = np.zeros((16, 16), np.uint8)
                mask[4:12, 4:12] = 255 * (label != "normal")
                pixels[mask > 0] += np.uint8(60 * (kind + 1))
                for suffix, array in (("", pixels), ("_mask", mask)):
                    file.writestr(
                        f"Dataset_BUSI_with_GT/{label}/{label} ({i + 1}){suffix}.png", png(array)
                    )


@pytest.fixture
def workspace(tmp_path):
    """A copy of the repository, and beside it a folder with the page's files."""
    replica = Workspace(
        copy_repository(tmp_path / "repository"), tmp_path / "run", experiment="mine"
    )
    (tmp_path / "mylab").mkdir()
    for name, text in FILES.values():
        (tmp_path / "mylab" / f"{name}.py").write_text(text)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(MINE))
    small = {
        **SMALL,
        "methods": ["gradcam", "hirescam", new("methods")],
        "metrics": [new("metrics"), "haas", "truth_agreement", "blind"],
        "concordance": {"primary": [new("metrics")]},
        "architectures": [new("architectures")],
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    return replica


def tried(workspace, word):
    """Return the words of each line that a command of the page prints."""
    (command,) = [text for kind, text in BLOCKS if kind == "bash" and word in text]
    (workspace.repository / ".venv").symlink_to(sys.prefix)
    done = subprocess.run(
        ["bash", "-c", command], cwd=workspace.repository, capture_output=True, check=True
    )
    return [line.split() for line in done.stdout.decode().splitlines()]


@pytest.mark.slow
def test_the_method_can_be_tried_as_the_page_says(workspace):
    output = tried(workspace, new("methods"))
    assert [name for name, *_ in output] == ["hirescam", new("methods")]
    assert all(float(line[-1]) > 0 for line in output)


@pytest.mark.slow
def test_the_network_can_be_measured_as_the_page_says(workspace):
    (line,) = tried(workspace, "measure(")
    assert line[0] == "Architecture(channels=64,"


def is_judged(results):
    """Look for the metric's verdict, on a network that is alone: its images are the unit."""
    verdict = tables.read(results / "validity.parquet").to_pandas()
    (row,) = verdict[verdict["dataset"] == new("datasets")].to_dict("records")
    assert (row["metric"], row["estimand"]) == (new("metrics"), "background")
    assert (row["word"], row["scope"]) == ("too few networks", "this network")
    assert 2 <= row["networks"] <= SMALL["explained_images"]
    assert 0 <= row["methods_concordance"] <= 1
    difference = row["methods_concordance"] - row["methods_floor"]
    assert row["methods_difference"] == pytest.approx(difference)
    assert row["methods_low"] <= row["methods_difference"] <= row["methods_high"]
    assert np.isnan(row["damaged_difference"])  # it makes its maps itself
    compared = tables.read(results / "agreement.parquet").to_pandas()
    assert set(compared["unit"]) == {"images"}
    answer = (results / "answer.txt").read_text().replace("\n", " ")
    board = answer.split("Which metric finds it?")[1]
    assert module("spec").METRIC.title in board
    assert f"Fewer than 8 images ({row['networks']}): numbers alone, no verdict." in board
    assert "images of this network" in answer.split("Which metric finds it?")[0]


@pytest.mark.slow
@pytest.mark.runs
def test_the_page_s_experiment_runs_and_an_edit_reruns_what_uses_it(workspace, tmp_path):
    options = {"configs": ["config/tiny.yaml", tmp_path / "mine.yaml", tmp_path / "small.yaml"]}
    resources = workspace.directory / "resources" / new("datasets")
    resources.mkdir(parents=True)
    (file,) = module("collection").COLLECTION.files
    archive(resources / file.name)

    done = workspace.run(**options)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = tables.read(workspace.results / "scores.parquet").to_pandas()
    assert set(rows["dataset"]) == {new("datasets")}
    assert set(rows["architecture"]) == {new("architectures")}
    rows = rows[rows["metric"] == new("metrics")]
    assert "sham" in set(rows["method"])  # what a metric that is judged is run on, too
    computed = rows[rows["method"] == new("methods")]
    assert len(computed) == SMALL["explained_images"]
    assert computed["value"].between(0, 1).all()
    compared = tables.read(workspace.results / "statistics.parquet").to_pandas()
    pairs = set(zip(compared["method_a"], compared["method_b"], strict=True))
    assert {("hirescam", new("methods")), (new("methods"), "gradcam")} <= pairs
    assert module("spec").METRIC.title in (workspace.results / "report.html").read_text()
    assert f'"metric":"{new("metrics")}"' in (workspace.results / "cases.json").read_text()

    is_judged(workspace.results)

    listed = files.read_json(workspace.results / "provenance.json")["plugins"]
    assert sorted(listed) == sorted(f"mylab.{FILES[p][0]}" for p in PARTS if p != "score")
    assert {each["from"] for each in listed.values()} == {"plugins: ../mylab"}
    page = (workspace.results / "report.html").read_text()
    assert f"mylab.{new('methods')} declares {new('methods')} (plugins: ../mylab; sha256: " in page
    assert workspace.planned(**options) == {}

    edited = tmp_path / "mylab" / f"{FILES['method'][0]}.py"
    edited.write_text(edited.read_text() + "\nEDITED = True\n")
    planned = workspace.planned(**options)
    assert planned["explain_flatten"] == planned[new("metrics")] == 1
    assert not {"train", "prepare_data", "download_images"} & set(planned)
