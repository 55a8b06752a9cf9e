"""Snakemake says of a config what the package says, and plans the same files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faithcam.core.errors import FaithcamError
from faithcam.experiment import config as experiment

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
BASE = [ROOT / "config.yaml", ROOT / "config" / "tiny.yaml"]
pytestmark = pytest.mark.runs


@pytest.fixture
def dry_run(tmp_path):
    """Plan with a config file; returns the exit code and what Snakemake says."""

    def run(text, *arguments, base=BASE, name="mine.yaml"):
        (tmp_path / name).write_text(text)
        command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", ROOT / "Snakefile"]
        command += ["--configfile", *base, name, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert {path.name for path in tmp_path.iterdir()} <= {name, ".snakemake"}
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    "text",
    [
        "seed: 1\nseed: 2",
        "training: {learning_rate: .nan}",
        "training: {learning_rate: 1e-3}",
        "results: ..",
        "no: 1",
        "explained_images: 1",
        "imputers: [mean]",
        "{1: 2}",
    ],
)
def test_what_is_wrong_is_said_alike(dry_run, tmp_path, monkeypatch, text):
    code, output = dry_run(text)
    assert code != 0
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FaithcamError) as error:
        experiment.validate(experiment.read([*BASE, "mine.yaml"]), SCHEMA)
    said = str(error.value).replace("mine.yaml: ", "/mine.yaml: ", 1)  # there by its whole path
    assert said.removeprefix("/") in output or said in output


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("results: results/x/", []),
        ("results: ./results//x", []),
        ("results: y", ["--config", "results=results/x/"]),
        (json.dumps({"results": "results/x/", "batch_size": 6.0}), []),
    ],
)
def test_one_folder_has_one_name(dry_run, text, arguments):
    code, output = dry_run(text, *arguments)
    assert code == 0, output
    assert "double" not in output
    assert set(re.findall(r"(\S+)/report\.html", output)) == {"results/x"}


def test_numbers_of_the_command_line_are_numbers(dry_run):
    assert dry_run("{batch_size: 6}", "--config", "batch_size=6.0")[0] == 0
    code, output = dry_run("{batch_size: 6}", "--config", "seed=nan")
    assert code != 0
    assert "seed: nan found, expected a whole number" in output


def test_from_another_folder_config_yaml_is_asked_for(dry_run):
    code, output = dry_run("results: x", base=[])
    assert code != 0
    assert f"--configfile {ROOT / 'config.yaml'} mine.yaml" in output


def test_a_config_file_may_have_spaces_in_its_name(dry_run):
    assert dry_run("results: x", name="my own.yaml")[0] == 0
