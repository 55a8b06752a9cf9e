"""Damage ladders: what damage does to a map, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from scipy import fft
from scored import STRICT, alone_as_together, inputs_of, network_of, scores_of

from faithcam.maps.explain import explain, gradients
from faithcam.maps.methods.hirescam import hirescam
from faithcam.maps.methods.smoothness import dct, inverse_dct
from faithcam.metrics import registry
from faithcam.metrics.controls import damage_ladder
from faithcam.metrics.controls import damage_ladder_spec as spec
from faithcam.metrics.controls.damage_ladder import LADDERS, Damages
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.curves import aopc_of, drops
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid
from faithcam.removal.orders import additive_drops, order_of

CONFIG = {**STRICT, "damage_ladder": {"images": 6, "steps": [0.5, 1], "draws": 3}}
NETWORK = network_of(methods=("gradcam", "hirescam"))
PLANTED = replace(NETWORK, task="lesion")
METRICS = ("aopc", "feature_aopc", "haas", "max_sensitivity", "rerendered")
MAPS = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5


def damages_of(inputs):
    return Damages.of(inputs.noise, (4, 4), [0.5, 1], 3)


def planted():
    """Return inputs whose images can be rendered without their parts."""
    return inputs_of(places=range(6), renderings=[random_images(6, seed=1)])


def hirescam_of(inputs, images=None):
    images = inputs.images if images is None else images
    return explain(inputs.network, images, inputs.classes, ["hirescam"], explained_score="centred")[
        "hirescam"
    ]


def values_in(scores):
    """Return scores by metric, ladder, step and draw."""
    names = ("metric", "ladder", "step", "draw")
    return {tuple(s.evaluation.setting[n] for n in names): s.values for s in scores.scored}


# --- damages ------------------------------------------------------------------------
def test_spectra_are_those_of_scipy():
    expected = fft.dctn(MAPS.double().numpy(), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(dct(MAPS), expected, atol=1e-12)
    assert torch.allclose(inverse_dct(dct(MAPS)), MAPS, atol=1e-6)


def test_mixtures_are_of_standardised_maps():
    noise = 7 * MAPS.flip(0) + 3
    low, high = (damage_ladder.mixed(MAPS, noise, share) for share in (0, 1))
    for maps, source in ((low, MAPS), (high, noise)):
        assert torch.allclose(maps.mean((1, 2)), torch.zeros(4), atol=1e-6)
        assert torch.allclose(maps.std((1, 2), correction=0), torch.ones(4))
        assert torch.equal(maps.flatten(1).argsort(1), source.flatten(1).argsort(1))
    quarter = damage_ladder.mixed(MAPS, noise, 0.25)
    assert torch.allclose(quarter, 0.75 * low + 0.25 * high)
    assert damage_ladder.mixed(torch.ones(1, 4, 4), torch.ones(1, 4, 4), 0.5).abs().max() == 0


def test_shifts_go_half_the_side_at_most_and_around_the_border():
    cells = torch.arange(16.0).reshape(1, 4, 4)
    down = damage_ladder.shifted(cells, 1, (1, 0))
    assert down[0, :, 0].tolist() == [8, 12, 0, 4]
    left = damage_ladder.shifted(cells, 0.5, (0, -1))
    assert left[0, 0].tolist() == [1, 2, 3, 0]
    wide = torch.arange(10.0).reshape(1, 2, 5)
    assert damage_ladder.shifted(wide, 1, (0, 1))[0, 0].tolist() == [2, 3, 4, 0, 1]


def test_inversion_reverses_ranks_among_the_chosen_cells():
    maps = torch.tensor([[[10.0, 20.0], [30.0, 40.0]]])
    keys = torch.tensor([[0.1, 0.9, 0.3, 0.2]])
    inverted = damage_ladder.inverted
    assert inverted(maps, keys, 1)[0].tolist() == [[40, 30], [20, 10]]
    assert inverted(maps, keys, 0.5)[0].tolist() == [[40, 20], [30, 10]]  # cells 0 and 3
    assert inverted(maps, keys, 0.75)[0].tolist() == [[40, 20], [30, 10]]  # 2 is the middle one
    random = torch.rand(4, 16, generator=torch.Generator().manual_seed(1))
    twice = inverted(inverted(MAPS, random, 0.5), random, 0.5)
    assert torch.equal(twice, MAPS)
    changed = [(inverted(MAPS, random, s) != MAPS).sum() for s in (0, 0.25, 0.5, 1)]
    assert changed == sorted(changed)


def test_every_damaged_map_has_the_histogram_of_the_map():
    maps, damages = MAPS, damages_of(inputs_of())
    actual = damages.apply(maps)
    names = damages.names()
    assert len(actual) == len(names) == len(set(names)) == 1 + 2 * (3 + 4 + 3)
    assert torch.equal(actual[0], maps)
    histograms = actual.flatten(2).sort(2).values
    assert torch.equal(histograms, histograms[:1].expand_as(histograms))
    assert not any(torch.equal(other, maps) for other in actual[1:])
    noise = actual[names.index(("noise", 2, 0))]
    for other in ("noise", 2, 1), ("noise", 1, 0):
        assert not torch.equal(noise, actual[names.index(other)])
    whole = [actual[names.index(("inversion", 2, draw))] for draw in range(3)]
    assert torch.equal(whole[0].flatten(1).argsort(1), maps.flatten(1).argsort(1).flip(1))
    assert all(torch.equal(part, whole[0]) for part in whole)
    right = actual[names.index(("shift", 1, 3))]
    assert torch.equal(right, maps.roll(1, 2))


def test_noise_has_the_spectrum_and_the_sum_of_the_map():
    damages = damages_of(inputs_of())
    assert (damages.signs[:, :, 0, 0] == 1).all()
    assert damages.signs.unique().tolist() == [-1, 1]
    assert 0.4 < (damages.signs == 1).float().mean() < 0.7
    assert set(damages.directions.flatten().tolist()) <= {0, 1, 2, 3}
    assert (damages.directions.amin(1) < damages.directions.amax(1)).all()  # each image has its own
    noise = inverse_dct(dct(MAPS) * damages.signs[0])
    assert torch.allclose(dct(noise).abs(), dct(MAPS).abs(), atol=1e-6)
    assert torch.allclose(noise.sum((1, 2)), MAPS.sum((1, 2)), atol=1e-5)


# --- scores -------------------------------------------------------------------------
def test_feature_space_drops_are_those_of_the_logit_and_hirescams_order_is_best():
    inputs = inputs_of()
    model, classes = inputs.network, inputs.classes
    with torch.no_grad():
        A = model.activations(inputs.images)
        logits = model.logits(A)
        raw = hirescam(A, gradients(model, A, classes, "centred"))
        order = torch.stack([torch.randperm(16) for _ in range(4)])
        actual = additive_drops(raw.flatten(1), order)
        rows = torch.arange(4)
        for removed in range(17):
            kept = torch.ones(4, 16).scatter(1, order[:, :removed], 0).reshape(4, 1, 4, 4)
            fall = logits - model.logits(A * kept)
            fall = fall[rows, classes] - fall.mean(1)
            assert torch.allclose(actual[:, removed].float(), fall, atol=1e-5)
    best = additive_drops(raw.flatten(1), order_of(raw.flatten(1)))
    assert (best >= actual - 1e-9).all()


@pytest.mark.parametrize("imputer", ["noise", "inpainting"])
def test_the_undamaged_map_scores_as_in_the_metrics(imputer):
    network = random_net()
    with torch.no_grad():  # ties: HiResCAM is 0 in six cells
        network.classifier.weight.view(3, 5, 16)[:, :, 4:10] = 0
    strict = {**CONFIG["aopc"]["strict"], "draws": 1, "imputers": [imputer]}
    config = {**CONFIG, "aopc": {**CONFIG["aopc"], "strict": strict}}
    inputs = inputs_of(places=range(6), network=network)
    actual = values_in(scores_of("damage_ladder", inputs, NETWORK, **config))
    aopc = f"draws=1;imputer={imputer};order=morf;output=probability;region=native;replicate=0"
    for metric, setting in (
        ("aopc", aopc),
        ("haas", "explained_class=predicted;outcome=kept"),
        ("max_sensitivity", "radius=0.3;replicate=0;samples=2;version=relative"),
    ):
        expected = (
            scores_of(metric, inputs, NETWORK, **config).by_method()[setting, "hirescam"].double()
        )
        for ladder in LADDERS:
            assert torch.allclose(actual[metric, ladder, "0", "0"], expected, rtol=1e-6)


def test_every_draw_takes_the_shift_of_its_direction_and_steps_their_share():
    inputs = inputs_of(places=range(6))
    actual = values_in(scores_of("damage_ladder", inputs, NETWORK, **CONFIG))
    raw = hirescam_of(inputs)
    for draw in range(3):
        values = actual["feature_aopc", "shift", "2", str(draw)]
        for image in range(6):
            number = inputs.noise.streams.uniform([image], "damage ladder shift", draw, (1,))
            rows, columns = damage_ladder.DIRECTIONS[int(4 * number)]
            moved = raw[image : image + 1].roll((2 * rows, 2 * columns), (1, 2))
            order = order_of(moved.flatten(1))
            expected = additive_drops(raw[image : image + 1].flatten(1), order).mean()
            assert float(values[image]) == pytest.approx(float(expected), abs=1e-6)


def test_rerendered_scores_replace_cells_by_the_image_without_parts():
    inputs = planted()
    values = values_in(scores_of("damage_ladder", inputs, PLANTED, **CONFIG))[
        "rerendered", "noise", "0", "0"
    ]
    order = order_of(hirescam_of(inputs).flatten(1))
    regions = grid((16, 16), (4, 4))
    logits = Removal(inputs.network).logits(inputs.images, [order], regions, [inputs.renderings[0]])
    expected = aopc_of(drops(logits[0, 0], inputs.classes, "probability"))
    assert torch.allclose(values, expected, atol=1e-6)


def test_maps_of_noisy_images_are_damaged_alike():
    inputs = inputs_of()
    values = values_in(scores_of("damage_ladder", inputs, NETWORK, **CONFIG))[
        "max_sensitivity", "noise", "1", "2"
    ]
    damages = damages_of(inputs)
    at = damages.names().index(("noise", 1, 2))

    def damaged(images):
        return damages.apply(hirescam_of(inputs, images))[at].flatten(1).double()

    clean, changes = damaged(inputs.images), []
    for draw in range(2):
        noise = inputs.noise.symmetric("max_sensitivity strict 0", draw, (3, 16, 16))
        noisy = (inputs.images + 0.3 * noise).clamp(-1, 1)
        changes.append((damaged(noisy) - clean).norm(dim=1) / clean.norm(dim=1))
    assert torch.allclose(values, torch.stack(changes).amax(0), rtol=1e-6)


def test_damage_lowers_the_truth():
    actual = values_in(scores_of("damage_ladder", planted(), PLANTED, **CONFIG))
    for ladder in LADDERS:
        best, worst = (actual["feature_aopc", ladder, step, "0"] for step in "02")
        assert (best >= worst).all()
        assert (best > worst).any()


def test_all_metrics_steps_and_draws_are_declared():
    assert spec.LADDERS == LADDERS
    assert len(damage_ladder.DIRECTIONS) == spec.DIRECTIONS
    for network, metrics in ((PLANTED, METRICS), (NETWORK, METRICS[:-1])):
        asked = registry.evaluations(CONFIG, "damage_ladder", network)
        assert {str(e.setting) for e in asked} == {
            f"draw={draw};ladder={ladder};metric={metric};step={step}"
            for ladder in LADDERS
            for metric in metrics
            for step, draws in ((0, 1), (1, 3), (2, 3))
            for draw in range(draws)
        }
        # the map, and in each of 2 steps 3 of noise, 3 of inversion, 4 shifts: removal in 16 cells
        # by each imputer and an assisted image; 2 samples, the image
        imputers = len(metrics) - 3
        assert total_passes(asked) == (1 + 2 * 10) * (16 * imputers + 1) + 2 + 1


def test_images_do_not_change_each_others_scores():
    assert alone_as_together("damage_ladder", NETWORK, CONFIG)
