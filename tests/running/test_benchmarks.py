"""The speed benchmark compares like with like."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import growth
import speed
import stages

import truth
from faithcam.metrics.registry import METRICS
from faithcam.models.inference import InferenceNet, same_logits
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid

CPU = torch.device("cpu")
SMALL = speed.Work("AOPC", "vgg_small", 32, 24, 3, region=8, bare_batch=8)


def test_every_system_of_a_work_runs_in_turn():
    actual = speed.measure(SMALL, 1, "cpu", 1)
    systems = {"bare forward passes", "faithcam", "faithcam, one pass per step"}
    assert systems <= set(actual)
    assert all(seconds > 0 and memory > 0 for seconds, memory in actual.values())


@pytest.mark.parametrize("count", [3, 8, 17])
def test_bare_passes_are_over_as_many_images_as_are_perturbed(monkeypatch, count):
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, images):
            seen.append(len(images))
            return images

    monkeypatch.setattr(speed, "network", lambda work: Watched())
    run = speed.bare(replace(SMALL, images=count), CPU)
    seen.clear()
    run()
    assert sum(seen) == count * 3 * 2


def test_incremental_and_whole_passes_compute_the_same():
    assert torch.allclose(
        speed.scores_of_faithcam(SMALL, CPU)(), speed.one_pass_per_step(SMALL, CPU)(), atol=1e-5
    )


def test_captum_has_the_same_contributions():
    work = replace(truth.WORKS["vgg_small"], images=2, steps=8 * 64)
    actual, expected = (system(work, CPU)() for system in (truth.of_faithcam, truth.of_captum))
    assert torch.allclose(actual, expected, atol=1e-8)
    assert actual.abs().max() > 1e-5
    assert truth.permutations(work) == 8


@pytest.mark.parametrize("name", [name for name in speed.WORKS if name.startswith("aopc")])
def test_windows_are_chosen_in_every_work_and_the_network_is_the_bare_one(name):
    work = speed.WORKS[name]
    model = speed.for_inference(speed.network(work), (work.size, work.size))
    assert isinstance(model, InferenceNet)
    images = torch.rand(work.images, 3, work.size, work.size)
    regions = grid((work.size, work.size), work.region)
    assert Removal(model).incremental(images, regions) is not None
    with torch.no_grad():
        assert same_logits(speed.network(work)(images[:1]), model(images[:1]))


def test_a_job_is_timed_as_the_workflow_does_it():
    seconds, memory = growth.aopc_job("vgg_small", 24, 1, 32)
    assert seconds > 0
    assert memory > 0


def test_every_rule_has_a_script_whose_start_is_timed():
    scripts = {
        rule: stages.adapter_of(rule).name for rule in (*METRICS, "explain", "train", "truth")
    }
    assert scripts.pop("explain") == "explain.py"
    assert scripts.pop("train") == "train.py"
    assert scripts.pop("truth") == "compute_truth.py"
    assert set(scripts.values()) == {"score.py"}
    assert stages.adapter_of("aopc").is_file()
