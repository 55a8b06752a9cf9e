"""Damage ladders: what damage does to a map, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import Counting
from planted import planted_shard
from scipy import fft
from test_convergence import PRIMARY, scores_of, values_of, with_ties
from test_shard import AOPC, SENSITIVITY, as_rows, make_shard, named, settings_of, stored_maps

from faithcam.cams.methods.hirescam import hirescam
from faithcam.cams.methods.smoothness import dct, inverse_dct
from faithcam.explain import explain, gradients
from faithcam.metrics import aopc, damage_ladder, haas, max_sensitivity, removal
from faithcam.metrics.damage_ladder import Damages
from faithcam.metrics.removal import additive_drops

SETTINGS = {
    "aopc": {**AOPC, "strict": {**AOPC["strict"], "draws": 1}},
    "max_sensitivity": SENSITIVITY,
    "damage_ladder": {"images": 10, "steps": [0.5, 1], "draws": 3},
}
METRICS = ("aopc", "feature_aopc", "haas", "max_sensitivity", "rerendered")
MAPS = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5


def damages_of(shard, batch):
    return Damages.of(shard, batch, (4, 4), [0.5, 1], 3)


# --- damages ------------------------------------------------------------------------
def test_spectra_are_those_of_scipy():
    expected = fft.dctn(MAPS.double().numpy(), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(dct(MAPS), expected, atol=1e-12)
    assert torch.allclose(inverse_dct(dct(MAPS)), MAPS, atol=1e-6)


def test_mixtures_are_of_standardised_maps():
    noise = 7 * MAPS.flip(0) + 3
    low, high = (damage_ladder.mixed(MAPS, noise, share) for share in (0, 1))
    for maps, source in ((low, MAPS), (high, noise)):
        assert torch.allclose(maps.mean((1, 2)), torch.zeros(3), atol=1e-6)
        assert torch.allclose(maps.std((1, 2), correction=0), torch.ones(3))
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
    random = torch.rand(3, 16, generator=torch.Generator().manual_seed(1))
    twice = inverted(inverted(MAPS, random, 0.5), random, 0.5)
    assert torch.equal(twice, MAPS)
    changed = [(inverted(MAPS, random, s) != MAPS).sum() for s in (0, 0.25, 0.5, 1)]
    assert changed == sorted(changed)


def test_every_damaged_map_has_the_histogram_of_the_map():
    shard = make_shard(stop=3)
    batch = next(shard.batches())
    maps = torch.cat([MAPS, MAPS[:1]])
    damages = damages_of(shard, batch)
    found = damages.apply(maps)
    names = damages.names()
    assert len(found) == len(names) == len(set(names)) == 1 + 2 * (3 + 4 + 3)
    assert torch.equal(found[0], maps)
    histograms = found.flatten(2).sort(2).values
    assert torch.equal(histograms, histograms[:1].expand_as(histograms))
    assert not any(torch.equal(other, maps) for other in found[1:])
    noise = found[names.index(("noise", 2, 0))]
    for other in ("noise", 2, 1), ("noise", 1, 0):
        assert not torch.equal(noise, found[names.index(other)])
    whole = [found[names.index(("inversion", 2, draw))] for draw in range(3)]
    assert torch.equal(whole[0].flatten(1).argsort(1), maps.flatten(1).argsort(1).flip(1))
    assert all(torch.equal(part, whole[0]) for part in whole)
    right = found[names.index(("shift", 1, 3))]
    assert torch.equal(right, maps.roll(1, 2))


def test_noise_has_the_spectrum_and_the_sum_of_the_map():
    shard = make_shard()
    damages = damages_of(shard, next(shard.batches()))
    assert (damages.signs[:, :, 0, 0] == 1).all()
    assert damages.signs.unique().tolist() == [-1, 1]
    assert 0.4 < (damages.signs == 1).float().mean() < 0.7
    assert set(damages.directions.flatten().tolist()) <= {0, 1, 2, 3}
    assert (damages.directions.amin(1) < damages.directions.amax(1)).all()  # each image has its own
    maps = torch.cat([MAPS, MAPS[:1]])
    noise = inverse_dct(dct(maps) * damages.signs[0])
    assert torch.allclose(dct(noise).abs(), dct(maps).abs(), atol=1e-6)
    assert torch.allclose(noise.sum((1, 2)), maps.sum((1, 2)), atol=1e-5)


# --- scores -------------------------------------------------------------------------
def test_feature_space_drops_are_those_of_the_logit_and_hirescams_order_is_best():
    shard = make_shard(stop=4)
    batch = next(shard.batches())
    with torch.no_grad():
        A = shard.model.activations(batch.images)
        logits = shard.model.logits(A)
        raw = hirescam(A, gradients(shard.model, A, batch.predicted, "centred"))
        order = torch.stack([torch.randperm(16) for _ in range(4)])
        found = additive_drops(raw.flatten(1), order)
        rows = torch.arange(4)
        for removed in range(17):
            kept = torch.ones(4, 16).scatter(1, order[:, :removed], 0).reshape(4, 1, 4, 4)
            fall = logits - shard.model.logits(A * kept)
            fall = fall[rows, batch.predicted] - fall.mean(1)
            assert torch.allclose(found[:, removed].float(), fall, atol=1e-5)
    best = additive_drops(raw.flatten(1), removal.order_of(raw.flatten(1)))
    assert (best >= found - 1e-9).all()


def test_the_undamaged_map_scores_as_in_the_metrics(tmp_path):
    shard = with_ties(planted_shard())
    found = damage_ladder.score_shard(shard, None, SETTINGS)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    main = {
        "aopc": aopc.score_shard(shard, loaded, settings_of(["strict"], aopc=SETTINGS["aopc"]))[0],
        "haas": haas.score_shard(shard, loaded, settings_of(["strict"])),
        "max_sensitivity": max_sensitivity.score_shard(
            shard, named(shard, ["hirescam"]), settings_of(["strict"])
        ),
    }
    settings = {
        "aopc": PRIMARY.format(draws=1),
        "haas": "class=predicted;outcome=kept",
        "max_sensitivity": "radius=0.3;samples=2;stream=0;version=relative",
    }
    for ladder in damage_ladder.LADDERS:
        for metric, setting in settings.items():
            expected = scores_of(main[metric], "hirescam", setting)
            values = values_of(found, "hirescam", ladder=ladder, metric=metric, step=0, draw=0)
            assert len(expected) == 10
            np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_every_draw_takes_the_shift_of_its_direction_and_steps_their_share():
    shard = planted_shard()
    found = damage_ladder.score_shard(shard, None, SETTINGS)
    raw = explain(
        shard.model,
        shard.tensor(shard.dataset.images),
        torch.from_numpy(shard.predicted),
        ["hirescam"],
        target="centred",
    )["hirescam"]
    for draw in range(3):
        values = values_of(
            found, "hirescam", ladder="shift", metric="feature_aopc", step=2, draw=draw
        )
        for image in range(10):
            number = shard.streams.uniform([image], "damage ladder shift", draw, (1,))
            rows, columns = damage_ladder.DIRECTIONS[int(4 * number)]
            moved = raw[image : image + 1].roll((2 * rows, 2 * columns), (1, 2))
            order = removal.order_of(moved.flatten(1))
            expected = additive_drops(raw[image : image + 1].flatten(1), order).mean()
            assert values[image] == pytest.approx(float(expected), abs=1e-6)


def test_rerendered_scores_replace_cells_by_the_image_without_parts():
    shard = planted_shard()
    found = damage_ladder.score_shard(shard, None, SETTINGS)
    values = values_of(found, "hirescam", ladder="noise", metric="rerendered", step=0, draw=0)
    images, empty = (
        shard.tensor(pixels)
        for pixels in (shard.dataset.images, shard.dataset.renderings[:, 0].copy())
    )
    classes = torch.from_numpy(shard.predicted)
    raw = explain(shard.model, images, classes, ["hirescam"], target="centred")["hirescam"]
    order = removal.order_of(raw.flatten(1))
    logits = removal.Removal(shard.model).logits(
        images, [order], removal.grid((16, 16), (4, 4)), [empty]
    )
    expected = aopc.score(aopc.drops(logits[0, 0], classes, "probability"))
    np.testing.assert_allclose(values, expected, atol=1e-6)
    without = damage_ladder.score_shard(make_shard(), None, SETTINGS)
    assert not len(values_of(without, "hirescam", metric="rerendered"))


def test_maps_of_noisy_images_are_damaged_alike():
    shard = make_shard(stop=4)
    found = damage_ladder.score_shard(shard, None, SETTINGS)
    batch = next(shard.batches())
    damages = damages_of(shard, batch)
    at = damages.names().index(("noise", 1, 2))

    def damaged(images):
        raw = explain(shard.model, images, batch.predicted, ["hirescam"], target="centred")
        return damages.apply(raw["hirescam"])[at].flatten(1).double()

    clean, changes = damaged(batch.images), []
    for draw in range(2):
        noise = shard.noise(batch, "max_sensitivity strict 0", draw, (3, 16, 16))
        noisy = (batch.images + 0.3 * noise).clamp(-1, 1)
        changes.append((damaged(noisy) - clean).norm(dim=1) / clean.norm(dim=1))
    values = values_of(found, "hirescam", ladder="noise", metric="max_sensitivity", step=1, draw=2)
    np.testing.assert_allclose(values, torch.stack(changes).amax(0), rtol=1e-6)


def test_all_metrics_steps_and_draws_are_there_and_damage_lowers_the_truth():
    found = damage_ladder.score_shard(planted_shard(), None, SETTINGS)
    expected = {
        f"draw={draw};ladder={ladder};metric={metric};step={step}"
        for ladder in damage_ladder.LADDERS
        for metric in METRICS
        for step, draws in ((0, 1), (1, 3), (2, 3))
        for draw in range(draws)
    }
    assert set(found["setting"].to_pylist()) == expected
    assert len(found) == 10 * len(expected)
    for ladder in damage_ladder.LADDERS:
        best, worst = (
            values_of(found, "hirescam", ladder=ladder, metric="feature_aopc", step=s, draw=0)
            for s in (0, 2)
        )
        assert (best >= worst).all()
        assert (best > worst).any()


def test_shards_and_padding_change_no_row_of_the_ladders():
    def scores(start, stop):
        shard = planted_shard(start=start, stop=stop)
        return {"scores": damage_ladder.score_shard(shard, None, SETTINGS)}

    parts = [scores(start, stop) for start, stop in ((0, 4), (4, 8), (8, 10))]
    assert as_rows([scores(0, 10)], "scores") == as_rows(parts, "scores")


def test_few_images_are_not_padded():
    shard = make_shard(stop=2)
    counting = Counting(shard.model)
    settings = {**SETTINGS, "damage_ladder": {**SETTINGS["damage_ladder"], "images": 2}}
    damage_ladder.score_shard(replace(shard, model=counting), None, settings)
    assert counting.images == 2 * counting.passes
