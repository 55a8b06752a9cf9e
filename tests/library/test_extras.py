"""What the package can do without, and what it says where something is missing."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from faithcam.core.errors import FaithcamError
from faithcam.core.extras import EXTRAS, USES, missing, named
from faithcam.running import overview
from faithcam.running.provenance import PACKAGE

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = {"torch", "numpy", "scipy"}
MODULES = {  # where a module has another name than its package
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pyjpegls": "jpeg_ls",
    "pylibjpeg-openjpeg": "openjpeg",
    "python-gdcm": "gdcm",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
LIBRARY = ("core", "results", "data", "models", "removal", "maps", "truth", "metrics")
# what reads or writes files, and what trains and judges networks
FILES = {
    *(
        "data/medmnist",
        "data/subgroups",
        "data/tables",
        "maps/tables",
        "metrics/tables",
        "models/accuracy",
    ),
    *("models/evaluate", "models/performance", "models/predictions"),
    *("models/tables", "models/weights", "results/checks", "results/declared", "results/io"),
    "truth/tables",
}


def imports(path, everywhere=False):
    """Return the packages that a module imports, at its top or everywhere; not for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    return found - {*sys.stdlib_module_names, "faithcam"}


def modules_of(requirements):
    names = [re.split(r"[<>=\[]", each)[0] for each in requirements if each[:9] != "faithcam["]
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def test_the_library_imports_torch_numpy_and_scipy_alone():
    others = {}
    for room in LIBRARY:
        for path in (PACKAGE / room).rglob("*.py"):
            name = path.relative_to(PACKAGE).with_suffix("").as_posix()
            if more := imports(path) - BASE:
                others[name] = more
    others = {name for name in others if not name.startswith("data/sources/")}
    assert others == FILES


def test_extras_are_those_of_the_project():
    assert modules_of(PROJECT["dependencies"]) == BASE
    extras = PROJECT["optional-dependencies"]
    assert [*EXTRAS] == [*USES] == sorted(extras, key=[*EXTRAS].index)
    elsewhere = {"workflow": {"pydicom"}}  # in two: named once
    for extra, modules in EXTRAS.items():
        assert {*modules} | elsewhere.get(extra, set()) == modules_of(extras[extra]), extra
    assert "faithcam[captum,report]" in extras["workflow"]


def test_all_that_the_package_imports_is_in_the_project():
    imported = set().union(*(imports(path, everywhere=True) for path in PACKAGE.rglob("*.py")))
    listed = {module for modules in EXTRAS.values() for module in modules}
    by_others = {"gdcm", "openjpeg", "jpeg_ls", "pylibjpeg"}  # pydicom finds them
    of_the_workflow = {"snakemake", "snakemake_executor_plugin_slurm"}
    assert imported == BASE | listed - by_others - of_the_workflow


def test_the_page_of_the_package_has_every_extra_and_no_links():
    """A package index shows it alone: a link into the repository would lead nowhere."""
    page = (ROOT / PROJECT["readme"]).read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == [*EXTRAS]
    assert "](" not in page
    assert "<" not in page


def test_an_extra_that_is_missing_is_named(monkeypatch):
    with (
        pytest.raises(FaithcamError, match=r'tqdm: not installed.*pip install "faithcam\[report]"'),
        named(),
    ):
        raise ModuleNotFoundError("No module named 'tqdm.auto'", name="tqdm.auto")
    with pytest.raises(ModuleNotFoundError, match="mine"), named():
        raise ModuleNotFoundError("No module named 'mine'", name="mine")
    monkeypatch.setitem(EXTRAS, "report", ("torch", "no_such_module"))
    assert missing("report") == ["no_such_module"]
    assert overview.state("report").endswith(
        'missing: no_such_module: pip install "faithcam[report]"'
    )


ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
ALONE = """
import torch
from torch import nn

import faithcam
from faithcam.data.phantoms import radiograph

network = nn.Sequential(
    nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(),
    nn.Linear(64, 3),
)
images, others = torch.rand(2, 3, 16, 16), torch.rand(5, 3, 16, 16)
assert faithcam.split(network, images).head == "flatten"
captum = {"gradient_x_input", "integrated_gradients", "occlusion", "smoothgrad"}
assert captum | {"hirescam"} < {*faithcam.METHODS} and "aopc" in faithcam.METRICS
maps = faithcam.explain(network, images)
assert faithcam.scaled(maps["hirescam"], 16).shape == (2, 16, 16)
truth = faithcam.contributions(network, images, others, bounds=(0, 1), permutations=4)
assert truth["background"].values.shape == (2, 4, 4)

def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except faithcam.FaithcamError as error:
        return str(error)

for method in captum:
    said = refusal(faithcam.explain, network, images, methods=method)
    assert said.endswith('pip install "faithcam[captum]"'), said
given = {"backgrounds": others, "bounds": (0, 1)}
for said in (
    refusal(faithcam.evaluate, network, images, maps, bounds=(0, 1)),
    refusal(faithcam.concordance, network, images, "deletion", **given),
    refusal(faithcam.overlay, images[0], maps["hirescam"][0]),
    refusal(faithcam.show, images, maps),
):
    assert said.endswith('pip install "faithcam[report]"'), said
"""


def run(code, *arguments):
    """Run code with torch, numpy and scipy alone."""
    absent = ",".join(module for modules in EXTRAS.values() for module in modules)
    return subprocess.run(
        [sys.executable, "-c", ABSENT + code, absent, *arguments],
        capture_output=True, text=True, check=False, cwd=PACKAGE.parent,
    )  # fmt: skip


def test_torch_numpy_and_scipy_are_enough_for_maps_and_truth():
    done = run(ALONE)
    assert done.returncode == 0, done.stderr


COMMAND = """
from faithcam.running.cli import main

sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "arguments", [("merge", "a", "b", "--into", "c"), ("leaderboard", "a", "--to", "b.html")]
)
def test_commands_on_runs_name_the_extra_that_is_missing(arguments):
    done = run(COMMAND, *arguments)
    assert done.returncode == 1
    said = r'error: \w+: not installed, .*pip install "faithcam\[report]"\n'
    assert re.fullmatch(said, done.stderr), done.stderr


def test_a_run_is_verified_without_any_extra(tmp_path):
    (tmp_path / "answer.txt").write_text("")
    (tmp_path / "manifest.sha256").write_text(f"{hashlib.sha256().hexdigest()}  answer.txt\n")
    done = run(COMMAND, "verify", str(tmp_path))
    assert done.returncode == 0, done.stderr
