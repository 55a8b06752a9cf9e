"""`pip install .` gives the library alone and whole: its files, and the documented examples run."""

import re
import shutil
import subprocess
import sys
import zipfile
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
assert pathlib.Path(faithcam.__file__).parents[1] == pathlib.Path(sys.argv[1])
assert network.training and maps["hirescam"].shape == (6, 2, 2) and views.shape == (6, 64, 64)
network.eval()
classes = network(images).argmax(1)
assert torch.allclose(maps["hirescam"].sum((1, 2)) + network.fc.bias[classes],
                      network(images).gather(1, classes[:, None])[:, 0], atol=1e-3)
assert torch.allclose(logits, network(images), atol=1e-3) and picture.shape == (64, 64, 3)
assert {*scores["metric"]} == {"aopc", "insertion", "deletion", "road"}
assert truth["background"].values.shape == (6, 2, 2)
config.validate(config.read([sys.argv[2]]), plan.SCHEMA)
"""
# and what the README's example says
EXPECTED_LATER = """
assert {name: tuple(each.shape) for name, each in maps.items()} == {
    "gradcam": (4, 2, 2), "hirescam": (4, 2, 2)}
assert {"aopc", "road"} < {*scores["metric"]} and len(figure.axes) == 12
"""
START = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules["snakemake"] = None  # without it: whoever imports it gets an ImportError
from faithcam.models.torchvision_nets import import_torchvision
import_torchvision()  # after it torchvision can be imported without its compiled part, too
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built from a copy: setuptools leaves files beside what it builds."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "workflow" / "scripts" / "faithcam", ignore=hidden)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder / "out", folder], check=True)
    (built,) = (folder / "out").glob("faithcam-*.whl")
    return built


def test_a_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    there = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == there
    endings = {Path(name).suffix for name in names}
    assert {".typed", ".j2", ".js", ".yaml", ".py"} == endings


def test_an_installed_library_runs_the_documented_examples(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    page, readme = (
        "".join(re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S))
        for name in ("docs/library.md", "README.md")
    )
    script = f"{START}{page}{EXPECTED}{readme}{EXPECTED_LATER}"
    command = [sys.executable, "-c", script, str(site), str(ROOT / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
