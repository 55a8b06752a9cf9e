"""Costs of maps and of the truth: what figures say, what is planned."""

from pathlib import Path

import pytest

from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.models import registry
from faithcam.running import costs

ROOT = Path(__file__).parents[2]


def test_figures_know_what_a_map_of_one_score_costs():
    config = experiment.read([ROOT / "config.yaml"]) | {
        "methods": ["hirescam", "scorecam", "shapley_16"]
    }
    plan = Plan(config)
    known = costs.of_networks(plan, "phantom")
    assert {name: each["additive"] for name, each in known.items()} == {
        "resnet_small": False, "vgg_small": False, "patch_small": True,
    }  # fmt: skip
    network = plan.network("phantom", "vgg_small-flatten")
    passes, cells = known["vgg_small"]["passes"], network.cells**2
    assert passes["hirescam"] == passes["hirescam_shifted"] == passes["sham"] == 1
    assert passes["expected_gradcam_shifted"] == 1
    assert "hirescam_shifted" not in known["patch_small"]["passes"]  # cells look at themselves
    assert passes["shapley_16"] == 1 + 16 * (cells + 1)
    assert passes["centre"] == passes["sobel"] == 0
    assert passes["occlusion_blur"] == 1 + cells
    assert passes["occlusion_background"] == 1 + 10 * cells  # draws
    assert passes["scorecam"] > network.depth
    assert "mean_truth_of_others" not in passes
    alone = costs.passes_of_truth(plan, network, ["background"])
    assert known["vgg_small"]["truth"] == alone == 1 + 256 * (cells + 1) + 256
    assert alone < costs.passes_of_truth(plan, network)
    assert known["patch_small"]["truth"] < alone


def test_maps_that_remove_cells_take_the_time_of_windows():
    seconds = []
    for methods in (["hirescam"], ["hirescam", "shapley_16"]):
        plan = Plan(experiment.read([ROOT / "config.yaml"]) | {"methods": methods, "controls": []})
        network = next(each for each in plan.networks if each.head == "flatten")
        seconds.append(costs.job_seconds(plan, network, "explain", 3))
    steps = 3 * 16 * (network.cells**2 + 1)
    windows = registry.ARCHITECTURES[network.architecture].windows
    expected = costs._seconds(plan, network, steps, costs.REMOVAL, share=windows)
    assert seconds[1] - seconds[0] == pytest.approx(expected)
