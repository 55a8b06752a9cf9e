"""The registry of map methods: found in files, without torch, hashed where computed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shards import CONFIG, make_shard, network_of

from faithcam.experiment.evaluations import Plan
from faithcam.maps import registry
from faithcam.metrics import registry as metrics
from faithcam.running import costs, provenance, shard
from faithcam.running import explaining as maps

SCRIPTS = provenance.PACKAGE.parent
UNWANTED = shutil.ignore_patterns("__pycache__")
MINE = '''
"""A user's method, whose file imports torch at its top."""

import torch

from faithcam.maps.method import Method


def mine(activations, hirescam):
    return torch.relu(hirescam) * activations.mean(1)


METHODS = {"mine": Method(mine, "nowhere")}
'''
HELPERS = Path(__file__).parents[1] / "helpers"
LOOK = """
import sys
sys.path[:0] = [{scripts!r}, {tests!r}]
from faithcam.experiment import config
from faithcam.maps import registry
print("torch" in sys.modules)
{more}
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package, to be edited."""
    return Path(shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=UNWANTED)) / "faithcam"


def look(scripts, more=""):
    text = LOOK.format(scripts=str(scripts), tests=str(HELPERS), more=more)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


def test_the_shipped_methods_are_known_without_torch():
    done = look(SCRIPTS)
    assert done.stdout == "False\n", done.stderr


def test_a_users_file_is_a_method(package):
    (package / "maps" / "methods" / "zz_mine.py").write_text(MINE)
    use = """
import torch
from networks import random_images, random_net
from faithcam.maps.explain import explain
assert registry.from_model(["mine"]) == ["mine"]
assert [file.stem for file in registry.files(["mine"])] == ["hirescam", "zz_mine"]
given = random_net(), random_images(), torch.tensor([0, 1, 2, 0])
maps = explain(*given, ["mine", "hirescam"])
A = given[0].activations(given[1])
assert torch.equal(maps["mine"], maps["hirescam"].relu() * A.mean(1))
registry.check(["mine"])
"""
    done = look(package.parent, use)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_like_it\n", ["zz_mine.py: cannot be imported", "mend it"]),
        (MINE.replace('"mine"', '"sobel"'), ["zz_mine.py: METHODS names sobel, as "]),
        (MINE.replace("hirescam", "hires"), ["mine needs hires, which is neither", "activations"]),
    ],
)
def test_a_file_that_cannot_be_used_is_named(package, text, words):
    (package / "maps" / "methods" / "zz_mine.py").write_text(text)
    done = look(package.parent)
    (error,) = [line for line in done.stderr.splitlines() if ".FaithcamError: " in line]
    for word in words:
        assert word in error


def test_a_network_s_measured_facts_are_part_of_its_own_code_alone(package):
    folder = package / "models" / "timm"
    folder.mkdir(exist_ok=True)
    spec = "channels: 8\nstride: 4\nrounds_up: true\nmultiply_adds: 9\nparameters: 9\n"
    for name in "ab":
        (folder / f"timm_{name}.yaml").write_text(f"name: timm:{name}\n{spec}")
    use = """
from pathlib import Path
from faithcam.running import provenance
from faithcam.models import registry
assert registry.find("timm:a").channels == 8
def versions():
    provenance._read.cache_clear()
    return [provenance.code_version(Path(provenance.__file__), registry.files(f"timm_{name}"))
            for name in "ab"]
before, file = versions(), registry.files("timm_a")[1]
file.write_text(file.read_text() + "offset: 0.5")
after = versions()
assert before[0] != after[0] and before[1] == after[1]
"""
    done = look(package.parent, use)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


JOBS = {
    "explain": ["cam", "gradcam", "hirescam", "sham", "completed_gradcam", "occlusion"],
    "explain of others": ["gradcam", "hirescam", "layercam"],
    "max_sensitivity": ["hirescam", "completed_gradcam", "sham"],
    "max_sensitivity of others": ["hirescam", "layercam"],
    "multiverse": ["gradcam", "hirescam"],
    **{job: [] for job in ("train", "aopc", "haas", "feature_aopc", "similarity", "localisation")},
    **{job: [] for job in ("agreement", "damage_ladder", "dose_response", "patch_net")},
}
# those that import the functions they use
OF_GRADCAM = {"dose_response", "patch_net"}
OF_HIRESCAM = {*OF_GRADCAM, "damage_ladder"}
OF_ALL = {"explain", "explain of others"}  # all laws are checked there


@pytest.mark.parametrize(
    ("edited", "jobs"),
    [
        ("methods/layercam", {"explain of others", "max_sensitivity of others"}),
        ("methods/sham", {"explain", "max_sensitivity", *OF_GRADCAM}),
        ("methods/completed", {"explain", "max_sensitivity"}),
        # completed_gradcam starts from Grad-CAM's maps
        ("methods/gradcam", {*OF_ALL, "max_sensitivity", "multiverse", *OF_GRADCAM}),
        ("methods/hirescam", {*JOBS, *OF_HIRESCAM} - {"train", "aopc", "haas", "feature_aopc",
                                              "similarity", "localisation", "agreement"}),
        ("methods/cam", OF_ALL),
        ("pixels", {"explain"}),
        ("methods/sobel", set()),
        ("methods/other_image", set()),
    ],
)  # fmt: skip
def test_an_edit_reruns_the_jobs_that_compute_the_method(package, monkeypatch, edited, jobs):
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def hashes():
        provenance._read.cache_clear()
        actual = {}
        for job, methods in JOBS.items():
            script = package.parent / f"{(name := job.split()[0])}.py"
            modules = [package / "maps" / "methods" / file.name for file in registry.files(methods)]
            if not script.is_file():
                script = script.with_stem("score")
                modules.append(package.parent / metrics.code_file(name).relative_to(SCRIPTS))
            actual[job] = provenance.code_version(script, modules)
        return actual

    before = hashes()
    with (package / "maps" / f"{edited}.py").open("a") as file:
        file.write("EDITED = True\n")
    after = hashes()
    assert {job for job in JOBS if before[job] != after[job]} == jobs


def test_the_methods_that_a_metric_computes_are_those_of_its_evaluations():
    """Jobs hash their files: methods are found by their names, not by imports."""
    shard = make_shard()
    network = network_of(shard, ["hirescam", "gradcam", "random", "scorecam"], ["sham"])
    plan = Plan(CONFIG)
    made = {name: set(plan.made(name, network)) for name in metrics.METRICS}
    of_any_image, all_three = {"hirescam", "gradcam", "sham"}, {"gradcam", "hirescam", "sham"}
    assert {name: actual for name, actual in made.items() if actual} == {
        **dict.fromkeys(("max_sensitivity", "average_sensitivity", "smooth_mprt"), of_any_image),
        "mprt": {*network.everything},
        "efficient_mprt": {*network.everything},
        **dict.fromkeys(("dose_response", "patch_net"), all_three),
        "multiverse": {"gradcam", "hirescam"},
        "damage_ladder": {"hirescam"},
    }


def test_results_do_not_depend_on_the_registrys_order(monkeypatch):
    names = ["hirescam", "gradcam", "sham", "completed_gradcam", "scorecam", "random"]
    before, _ = maps.compute(make_shard(), names)
    backwards = dict(reversed([*registry.METHODS.items()]))
    monkeypatch.setattr(registry, "METHODS", backwards)
    after, _ = maps.compute(make_shard(), names)
    assert list(before) == list(after) == names
    for name in names:  # the score of maps that explain none is not a number
        assert before[name].drop(["score"]).equals(after[name].drop(["score"]))


def test_no_schema_lists_methods():
    text = (SCRIPTS.parent / "schemas" / "config.schema.yaml").read_text()
    lines = [line for line in text.splitlines() if "default:" not in line]
    assert not [line for line in lines if "gradcam" in line or "hirescam" in line]


def test_costs_know_how_many_scores_are_explained():
    assert len(shard.EXPLAINED_CLASSES) * len(shard.EXPLAINED_SCORES) == costs.SCORES
