"""Maps from elsewhere in a config: what they are counted as, and what is said before any job."""

from pathlib import Path

import numpy as np
import pytest

from faithcam.core.errors import FaithcamError
from faithcam.experiment import axes
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.experiment.given_problems import unscored_maps
from faithcam.maps import registry as cams
from faithcam.metrics import registry as measures
from faithcam.running import plan

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
CELLS = 8  # of all networks of the default experiment


def config_of(folder, name="ours", **over):
    base = experiment.read([ROOT / "config.yaml"])
    return experiment.normalised(experiment.merged(base, {"maps_from": {name: str(folder)}} | over))


def networks(config):
    return [f"{d}/{a}-{h}/seed{s}" for d, a, h, s in axes.planned(config)]


@pytest.fixture
def folder(tmp_path):
    """Maps of all networks but GAP twins."""
    for network in networks(config_of(tmp_path)):
        if "-flatten" in network:
            path = tmp_path / f"{network}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, image_ids=[0], maps=np.zeros((1, CELLS, CELLS)))
    return tmp_path


def problem(config):
    with pytest.raises(FaithcamError) as error:
        experiment.validate(config, SCHEMA)
    return str(error.value)


def test_given_maps_are_a_method_or_a_control(folder):
    config = config_of(f"{folder}//")
    experiment.validate(config, SCHEMA)
    assert config["maps_from"] == {"ours": str(folder)}
    assert config["methods"][-1] == "ours"
    assert experiment.normalised(config) == config
    as_control = config_of(folder, controls=["sham", "ours"])
    experiment.validate(as_control, SCHEMA)
    assert "ours" not in as_control["methods"]
    other = config_of(folder, methods=["ours", "hirescam"])
    experiment.validate(other, SCHEMA)
    assert other["methods"] == ["ours", "hirescam"]


def test_every_metric_of_stored_maps_scores_them_but_of_gap_twins(folder):
    config = config_of(folder, metrics=list(measures.METRICS))
    asked = Plan(config)
    network, twin = (asked.network("phantom", f"vgg_small-{head}") for head in ("flatten", "gap"))
    assert "ours" in network.methods
    assert "ours" not in twin.everything
    for metric in asked.metrics(network):
        scored = any("ours" in e.methods for e in asked.evaluations(metric, network))
        assert scored == (measures.METRICS[metric].maps == "stored"), metric
    made = [name for name in config["metrics"] if measures.METRICS[name].maps == "made"]
    (note,) = unscored_maps(config)
    assert note == (
        f"ours (maps_from): no scores by {', '.join(made)}, for want of maps of other images "
        "or networks"
    )
    assert unscored_maps(config_of(folder, metrics=["aopc"])) == []
    assert unscored_maps(experiment.read([ROOT / "config.yaml"])) == []


def test_the_other_maps_are_planned_as_before(folder):
    config, without = config_of(folder), experiment.read([ROOT / "config.yaml"])
    for head in ("flatten", "gap"):
        names = cams.supported(cams.known(config["methods"]), head)
        assert names == cams.supported(without["methods"], head)
    count = [job.rule for job in plan.jobs(Plan(config))].count("import_maps")
    assert count == len([n for n in networks(config) if "-flatten" in n])


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hirescam", "maps_from: hirescam is taken; give your maps another name, e.g. my_hires"),
        ("checks", "maps_from: checks is taken; give your maps another name"),
        ("mean_truth_of_others", "maps_from: mean_truth_of_others is taken"),
        ("null_blank", "maps_from: null_blank is taken"),
        ("Our maps", "maps_from: 'Our maps' found as a name, expected a name of small letters"),
        ("../ours", "maps_from: '../ours' found as a name, expected a name of small letters"),
    ],
)
def test_names_that_cannot_be(name, words, folder):
    assert words in problem(config_of(folder, name))


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", "maps_from.ours: nowhere does not exist"),
        ("~/maps", "maps_from.ours: ~/maps does not exist; write the whole path in place of ~"),
        (str(SCHEMA), "config.schema.yaml is a file, expected a folder"),
        ("", "maps_from.ours: '' found, expected text"),
    ],
)
def test_folders_that_are_none(place, words):
    assert words in problem(config_of(place))


def test_an_unknown_method_is_none_of_the_given_maps(folder):
    actual = problem(config_of(folder, methods=["hirescam", "our"]))
    assert "methods: 'our' is unknown; did you mean ours?" in actual


def test_a_missing_file_is_named_with_the_number_of_others(folder):
    first, second = (folder / f"phantom/vgg_small-flatten/seed{i}.npz" for i in (0, 1))
    first.unlink()
    actual = problem(config_of(folder))
    assert actual == (
        f"config: maps_from.ours: {first}: no such file, expected maps of "
        "phantom/vgg_small-flatten/seed0 there, or as .parquet"
    )
    second.unlink()
    assert problem(config_of(folder)) == f"{actual}; more files are missing: 1"


def test_what_files_say_of_themselves_is_known_before_any_job(folder):
    path = folder / "phantom/vgg_small-flatten/seed1.npz"
    np.savez(path, image_ids=[0], maps=np.zeros((1, 7, 8)))
    assert problem(config_of(folder)) == (
        f"config: maps_from.ours: {path}: maps of shape (7, 8) found, expected (8, 8) (cells) or "
        "(64, 64) (pixels)"
    )
    path.write_bytes(b"no zip")
    assert f"maps_from.ours: {path}: cannot be read as npz" in problem(config_of(folder))
