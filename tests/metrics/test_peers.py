"""Our numbers are those of Quantus, captum, pytorch-grad-cam and the study's code.

Where these mean something else, docs/methods.md and docs/metrics.md say why. docs/parity.md holds
the deviations, written by ``make parity``.
"""

import re
import sys
from pathlib import Path

import peer_maps
import peer_metrics
import peers
import pytest
import torch
from networks import random_images, random_net

from faithcam.maps import registry as cams
from faithcam.maps.explain import explain, gradients
from faithcam.metrics.registry import METRICS

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import parity

EVERY = [*peer_maps.MAPS, *peer_metrics.METRICS]


@pytest.mark.parametrize("comparison", EVERY, ids=str)
def test_numbers_are_those_of_the_peer(comparison):
    if comparison.peer in peers.MODULES:
        pytest.importorskip(peers.MODULES[comparison.peer])
    assert comparison.deviation() <= comparison.tolerance


def test_a_comparison_that_compares_nothing_is_an_error():
    def comparison(computed, theirs):
        return peers.Comparison("x", peers.THESIS, "y", lambda: [(computed, theirs)], 1)

    assert comparison([1, 2], [1, 2.5]).deviation() == 0.5
    for computed, theirs in (([1, 2], [2, 2]), ([1, 2], [1, 2, 3]), ([1, float("nan")], [1, 2])):
        with pytest.raises(ValueError, match="x-y"):
            comparison(computed, theirs).deviation()


def test_increases_of_confidence_are_of_both_kinds():
    pytest.importorskip("pytorch_grad_cam")
    clean, masked, _ = peer_metrics.changes_of_confidence()
    assert 0 < (masked > clean).sum() < 4


def test_pytorch_grad_cam_ablates_signed_activations_by_huge_numbers():
    pytest.importorskip("pytorch_grad_cam")
    model, images = random_net(relu=False).double(), random_images().double()
    with torch.no_grad():
        classes = model(images).argmax(1)
        model.classifier.bias += 5
        A = model.activations(images)
    derivatives = gradients(model, A, classes).detach()
    # the k-th channel gets the least of all that were set before, less 1e7
    place = torch.arange(1, A.shape[1] + 1)[:, None, None]
    value = A.amin((1, 2, 3), keepdim=True) - 1e7 * place
    weights = (derivatives * (A - value)).sum((2, 3), keepdim=True)
    theirs = peer_maps.gradcam_s("AblationCAM", model, images, classes)
    assert (peer_maps.scaled((weights * A).sum(1), images) - theirs).abs().max() <= 1e-4
    computed = explain(model, images, classes, ["ablationcam"])["ablationcam"]
    assert (peer_maps.scaled(computed, images) - theirs).abs().max() > 0.1


def published():
    """Methods and metrics with a source outside of this repository, and those that are judged."""
    methods = [name for name, m in cams.METHODS.items() if not m.source.startswith("docs/")]
    metrics = [
        name
        for name, metric in METRICS.items()
        if metric.compared or not metric.source.startswith("docs/")
    ]
    return {*methods, *metrics}


def test_every_published_method_and_metric_is_compared_or_says_why_not():
    compared = {comparison.name for comparison in EVERY}
    assert published() == compared | set(peers.UNCOMPARED)
    assert not compared & set(peers.UNCOMPARED)


def test_the_page_has_the_tables_that_the_program_writes():
    text = parity.PAGE.read_text(encoding="utf-8")
    assert parity.filled(text, lambda comparison: float("nan")).count("| nan |") == len(EVERY)
    kept = iter(re.findall(r"^\| `\w+` \|.* \| ([\d.e+-]+) \| [^|]+ \|$", text, re.M))
    actual = {comparison: next(kept) for comparison in EVERY}
    assert next(kept, None) is None
    assert parity.filled(text, lambda comparison: float(actual[comparison])) == text
    for comparison, output in actual.items():
        assert float(output) <= comparison.tolerance, comparison
