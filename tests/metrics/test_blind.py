"""Metrics that never ask the network: exact numbers, and nothing but what they may know."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_net
from scipy import stats
from scored import inputs_of, network_of, scores_of

from faithcam.core.seeding import Noise, Streams
from faithcam.maps.methods.sobel import sobel
from faithcam.metrics.accuracy.blind import distance_from_mean, incompleteness, variation
from faithcam.metrics.inputs import GivenMaps
from faithcam.validity.candidates import damaged

NETWORK = network_of(methods=("hirescam", "gradcam"))
KINDS = {
    "edges", "centre", "intensity", "distance_from_mean", "variation", "sparseness", "complexity",
    "completeness",
}  # fmt: skip


def blind(inputs, network=NETWORK):
    return scores_of("blind", inputs, network).by_method()


def test_every_kind_is_asked_once():
    settings = {setting for setting, _ in blind(inputs_of())}
    expected = {f"kind={kind}" for kind in KINDS}
    assert settings == expected | {"estimand=background;kind=mean_truth_of_others"}


def test_a_map_is_as_good_as_it_is_like_the_edges():
    inputs = inputs_of()
    raw = inputs.maps.of("gradcam", "predicted", "centred")
    edges = sobel(inputs.images, (4, 4))
    actual = blind(inputs)["kind=edges", "gradcam"]
    for i in range(4):
        expected = stats.spearmanr(raw[i].flatten(), edges[i].flatten()).statistic
        assert actual[i] == pytest.approx(expected)
    given = replace(inputs, maps=GivenMaps(dict.fromkeys(NETWORK.methods, edges)))
    assert torch.equal(blind(given)["kind=edges", "hirescam"], torch.ones(4).double())


def test_maps_of_the_image_alone_score_one_by_themselves():
    inputs = inputs_of()
    others = inputs.truth_of_others["background"]
    for setting, maps in {
        "kind=distance_from_mean": distance_from_mean(inputs.images, (4, 4)),
        "estimand=background;kind=mean_truth_of_others": others,
    }.items():
        given = replace(inputs, maps=GivenMaps(dict.fromkeys(NETWORK.methods, maps)))
        assert torch.equal(blind(given)[setting, "gradcam"], torch.ones(4).double())


def test_the_distance_from_the_mean_is_absolute():
    image = torch.zeros(1, 3, 4, 4)
    image[..., :2] = 1
    image[..., 2:] = -0.5
    assert torch.allclose(distance_from_mean(image, (2, 2)), torch.full((1, 2, 2), 0.75))


def test_variation_is_of_neighbours_and_of_a_map_of_norm_one():
    maps = torch.tensor([[[0.0, 3.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    assert variation(maps).tolist() == [(3 + 4 + 0 + 1) / 5, 0]
    assert torch.allclose(variation(10 * maps), variation(maps))


def test_incompleteness_is_relative():
    maps = torch.tensor([[[1.0, 2.0]], [[-1.0, -1.0]]])
    assert incompleteness(maps, torch.tensor([2.0, -4.0])).tolist() == [0.5, 0.5]


def test_hirescam_is_complete():
    actual = blind(inputs_of())
    assert (actual["kind=completeness", "hirescam"] > -1e-4).all()
    assert (actual["kind=completeness", "gradcam"] < -1e-3).all()


def test_candidates_of_one_histogram_have_one_shape():
    """Exactly: a difference in the last digit would be a preference."""
    inputs = inputs_of(places=range(3))
    truth = inputs.truth["background"].values
    noise = Noise(Streams(1, "made", "net"), range(3))
    candidates = {name: m.float() for name, m in damaged(truth, noise, [0.25, 1], 3).items()}
    given = replace(inputs, maps=GivenMaps(candidates))
    actual = blind(given, replace(NETWORK, methods=tuple(candidates)))
    for kind in ("sparseness", "complexity"):
        first, *others = (actual[f"kind={kind}", name] for name in candidates)
        assert len(others) == 6
        assert all(torch.equal(first, other) for other in others)
    first, *others = (actual["kind=variation", name] for name in candidates)
    assert not any(torch.equal(first, other) for other in others)


def test_simple_maps_are_better():
    maps = torch.zeros(4, 4, 4)
    maps[:, 1, 1] = 1
    noisy = maps + torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0))
    inputs = replace(inputs_of(), maps=GivenMaps({"hirescam": maps, "gradcam": noisy}))
    actual = blind(inputs)
    for kind in ("sparseness", "complexity"):
        simple, other = (actual[f"kind={kind}", name] for name in ("hirescam", "gradcam"))
        assert (simple > other).all()
    assert np.allclose(actual["kind=variation", "hirescam"], -4)


def test_the_network_says_nothing_but_its_score():
    inputs = replace(
        inputs_of(), maps=GivenMaps({name: torch.rand(4, 4, 4) for name in NETWORK.methods})
    )
    first, second = blind(inputs), blind(replace(inputs, network=random_net(seed=5)))
    for key, values in first.items():
        assert torch.equal(values, second[key]) == ("completeness" not in key[0]), key
