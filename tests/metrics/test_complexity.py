"""Complexity and sparseness: entropy and Gini index by hand."""

import math

import pytest
import torch

from faithcam.core.setting import Setting
from faithcam.metrics.complexity import complexity, sparseness
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import GivenMaps, Inputs


@pytest.mark.parametrize(
    ("values", "entropy", "gini"),
    [
        ([1, 1, 1, 1], math.log(4), 0),
        ([0, 0, -3, 0], 0, 0.75),
        ([1, -1, 0, 0], math.log(2), 0.5),
        ([1, 2, 3, 4], -sum(p * math.log(p) for p in (0.1, 0.2, 0.3, 0.4)), 0.25),
    ],
)
def test_entropy_and_gini_index_by_hand(values, entropy, gini):
    maps = torch.tensor(values, dtype=torch.float32).view(1, 2, 2)
    assert complexity.entropy(maps).item() == pytest.approx(entropy)
    assert sparseness.gini(maps).item() == pytest.approx(gini, abs=1e-12)
    assert complexity.entropy(-7 * maps).item() == pytest.approx(entropy)
    assert sparseness.gini(-7 * maps).item() == pytest.approx(gini, abs=1e-12)


@pytest.mark.parametrize("metric", [complexity, sparseness])
def test_maps_are_enough(metric):
    """As in a notebook: a constant map has a score, a blank one has none."""
    raw = torch.rand(3, 4, 4)
    raw[1], raw[2] = 1, 0
    name = metric.__name__.rpartition(".")[2]
    evaluation = Evaluation(name, "strict", Setting.of(view="signed"), ("mine",))
    inputs = Inputs(None, None, None, GivenMaps({"mine": raw}), None)
    (actual,) = metric.score(inputs, [evaluation]).scored
    formula = complexity.entropy if metric is complexity else sparseness.gini
    assert torch.equal(actual.values[:2], formula(raw[:2]))
    assert actual.statuses == ["ok", "ok", "blank_map"]
