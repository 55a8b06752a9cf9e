"""A wheel and an archive of the sources are whole, and what is installed from them runs."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow" / "scripts" / "faithcam"
EXPECTED = """
import importlib.metadata, pathlib
from faithcam.experiment import config
from faithcam.report import page as report, published
from faithcam.running import plan
assert importlib.metadata.version("faithcam") == faithcam.__version__
assert pathlib.Path(faithcam.__file__).is_relative_to(sys.prefix)
assert network.training and maps["hirescam"].shape == (6, 2, 2) and views.shape == (6, 64, 64)
network.eval()
classes = network(images).argmax(1)
assert torch.allclose(maps["hirescam"].sum((1, 2)) + network.fc.bias[classes],
                      network(images).gather(1, classes[:, None])[:, 0], atol=1e-3)
assert torch.allclose(logits, network(images), atol=1e-3) and picture.shape == (64, 64, 3)
assert {*scores["metric"]} == {"aopc", "insertion", "deletion", "road"}
assert truth["background"].values.shape == (6, 2, 2)
config.validate(config.read([sys.argv[1]]), plan.SCHEMA)
"""
# and what the README's example says, which the package's page has, too
EXPECTED_LATER = """
assert {name: tuple(each.shape) for name, each in maps.items()} == {
    "gradcam": (4, 4, 4), "hirescam": (4, 4, 4)}
assert {"aopc", "road"} < {*scores["metric"]} and len(figure.axes) == 12
sys.argv = sys.argv[:1]  # no command
runpy.run_module("faithcam", run_name="__main__")
"""
START = """
import runpy, sys
sys.modules["snakemake"] = None  # without it: whoever imports it gets an ImportError
from faithcam.models.torchvision_nets import import_torchvision
import_torchvision()  # after it torchvision can be imported without its compiled part, too
import torch
torch.set_num_threads(1)
"""


def run(*command, **options):
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The archive of the sources, built from a copy: setuptools leaves files beside it."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "MANIFEST.in", *("README.md", "LICENSE", "CHANGELOG.md")):
        shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / "CITATION.cff", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copytree(PACKAGE, folder / "workflow" / "scripts" / "faithcam")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_nothing.py").touch()
    build = "from setuptools import build_meta; build_meta.build_sdist('out')"
    run(sys.executable, "-c", build, cwd=folder)
    (built,) = (folder / "out").iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(sources):
    """A wheel, built from the archive of the sources, as an index's users would."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*command, "--wheel-dir", sources.parent, sources)
    (built,) = sources.parent.glob("faithcam-*.whl")
    return built


def of_the_package():
    return {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    assert names == of_the_package()
    endings = {Path(name).suffix for name in names}
    assert {".typed", ".j2", ".js", ".yaml", ".py"} == endings


def test_the_archive_of_the_sources_has_the_documentation_and_no_tests(sources):
    with tarfile.open(sources) as archive:
        names = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    docs = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "docs").rglob("*")
        if path.suffix in (".md", ".ipynb", ".png") and "site" not in path.parts
    }
    assert {f"workflow/scripts/{name}" for name in of_the_package()} | docs < names
    beside = {name for name in names if "/" not in name}
    assert beside == {
        *("CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md"),
        *("pyproject.toml", "setup.cfg"),
    }
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_what_an_index_shows_is_whole(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        facts = message_from_bytes(archive.read(name))
        (licence,) = (each for each in archive.namelist() if each.endswith("/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert facts["Author"] == "The faithcam authors"
    assert facts["License-Expression"] == "MIT"
    assert facts["Description-Content-Type"] == "text/markdown"
    assert (
        facts.get_payload(decode=True).decode().strip()
        == (ROOT / "docs" / "package.md").read_text().strip()
    )
    assert facts.get_all("Project-URL") is None  # there is none yet
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)[1]
    assert facts["Version"] == cited


def test_an_installed_library_runs_the_documented_examples(wheel, tmp_path):
    """In an environment of its own, which sees torch and the others of this one."""
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", "--no-warn-script-location", wheel)
    page, readme, index = (
        "".join(re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S))
        for name in ("docs/library.md", "README.md", "docs/package.md")
    )
    assert index == readme
    script = f"{START}{page}{EXPECTED}{readme}{EXPECTED_LATER}"
    printed = run(python, "-c", script, ROOT / "config.yaml", cwd=tmp_path)
    assert "docs/library.md to begin with" in printed
