"""The c-index by hand, its gates, and the candidates."""

import numpy as np
import pytest
import torch

from faithcam.core.errors import FaithcamError
from faithcam.core.ranks import ranks, spearman
from faithcam.core.seeding import Noise, Streams
from faithcam.metrics.complexity.sparseness import gini
from faithcam.validity import candidates
from faithcam.validity.candidates import Candidate, damaged
from faithcam.validity.concordance import BINS, c_index
from faithcam.validity.gates import INVERSE, RANDOM, TRUTH, Gate, gates, hold


def of(values, q, halves=None, **more):
    """Return the concordance of one metric and image."""
    q = np.asarray(q, float)[None]
    halves = np.stack([q, q]) if halves is None else np.asarray(halves, float)[:, None]
    return c_index(np.asarray(values, float)[None, None], q, halves, **more)


def test_by_hand():
    # pairs: .9-.5 right, .9-.1 wrong, .5-.1 wrong: 1 of 3
    actual = of([2, 1, 3], [0.9, 0.5, 0.1])
    assert actual.c == pytest.approx(1 / 3)
    assert actual.pairs == 3
    assert actual.tied == actual.undefined == 0


def test_equal_values_count_half():
    # .9-.5 tied, .9-.1 right, .5-.1 right: 2.5 of 3
    actual = of([1, 1, 0], [0.9, 0.5, 0.1])
    assert actual.c == pytest.approx(2.5 / 3)
    assert actual.tied == 1


@pytest.mark.parametrize(("difference", "c"), [(0.9e-6, 0.5), (1.1e-6, 1.0)])
def test_a_difference_below_a_billionth_of_the_scale_is_a_tie(difference, c):
    actual = of([-1000, difference, 0], [np.nan, 0.9, 0.1])
    assert actual.c == c
    assert actual.tied == (c == 0.5)


@pytest.mark.parametrize(("q", "pairs"), [([0.55, 0.5], 0), ([0.551, 0.5], 1), ([0.3, 0.25], 0)])
def test_nearly_equal_distances_make_no_pair(q, pairs):
    assert of([1, 0], q).pairs == pairs


def test_pairs_on_which_the_halves_disagree_do_not_count():
    q, first = [0.9, 0.5, 0.1], [0.9, 0.5, 0.1]
    second = [0.4, 0.5, 0.1]  # the first pair is reversed
    actual = of([2, 1, 3], q, [first, second])
    assert actual.pairs == 2
    assert actual.c == 0
    assert of([2, 1, 3], q, [second, first]).pairs == 2
    assert of([2, 1, 3], q, [first, [0.5, 0.5, 0.1]]).pairs == 2  # a half without a sign


def test_undefined_values_drop_their_pairs_and_are_counted():
    actual = of([2, np.nan, 1], [0.9, 0.5, 0.1])
    assert (actual.c, actual.pairs, actual.undefined) == (1, 1, 2)
    assert of([2, np.inf, 1], [0.9, 0.5, 0.1]).undefined == 2


def test_maps_that_a_metric_was_not_asked_about_are_not_undefined():
    asked = np.array([True, False, True])[None, None]
    actual = of([2, np.nan, 1], [0.9, 0.5, 0.1], scored=asked)
    assert (actual.c, actual.pairs, actual.undefined) == (1, 1, 0)


def test_without_a_pair_there_is_no_concordance():
    assert np.isnan(of([1, 2], [0.5, 0.5]).c)
    assert np.isnan(of([1, 2], [0.5, np.nan]).c)
    assert of([1], [0.5]).pairs == 0


def test_pairs_by_gap():
    q = [0.0, 0.06, 0.36, 0.96]
    values = [0, -1, 1, 2]  # the pair with gap .06 is wrong; the others, .3 .36 .6 .9 .96, right
    actual = of(values, q).by_gap[:, 0, 0]
    assert len(actual) == len(BINS) - 1
    assert actual[[0, 2, 3, 4]].tolist() == [0, 1, 1, 1]
    assert np.isnan(actual[1])


def many(images=7, maps=9, evaluations=3):
    rng = np.random.default_rng(3)
    q = rng.uniform(-1, 1, (images, maps))
    halves = q + 0.1 * rng.normal(size=(2, images, maps))
    values = q + rng.normal(size=(evaluations, images, maps))
    values[0, 0, 0] = np.nan
    values[1] = values[1].round()  # ties
    return values, q, halves


def test_all_at_once_is_one_by_one(monkeypatch):
    values, q, halves = many()
    monkeypatch.setattr("faithcam.validity.concordance._AT_ONCE", 300)  # some images at a time
    actual = c_index(values, q, halves)
    for e, i in np.ndindex(values.shape[:2]):
        wins = pairs = 0
        for a in range(q.shape[1]):
            for b in range(a):
                signs = {np.sign(x[i, a] - x[i, b]) for x in (q, *halves)}
                if abs(q[i, a] - q[i, b]) > 0.05 and len(signs) == 1:
                    change = (values[e, i, a] - values[e, i, b]) * signs.pop()
                    pairs += not np.isnan(change)
                    wins += 0 if np.isnan(change) else (np.sign(change) + 1) / 2
        assert actual.c[e, i] == pytest.approx(wins / pairs, abs=1e-12)
        assert actual.pairs[e, i] == pairs


@pytest.mark.parametrize("transform", [np.exp, np.cbrt, lambda x: 5 * x - 3])
def test_only_the_order_matters(transform):
    values, q, halves = many()
    expected = c_index(values, q, halves)
    actual = c_index(transform(values), q, halves)
    assert np.array_equal(actual.c, expected.c)
    np.testing.assert_allclose(c_index(-values, q, halves).c, 1 - expected.c, atol=1e-12)


# --- gates ----------------------------------------------------------------------------------------


def known(n=200, **changes):
    rng = np.random.default_rng(1)
    actual = {TRUTH: np.ones(n), INVERSE: np.zeros(n), RANDOM: rng.normal(0.5, 0.1, n)}
    return actual | {"sparseness": np.full(n, 0.5)} | changes


def test_gates_hold():
    rows = gates(known())
    assert [gate.expected for gate in rows] == [1, 0, 0.5, 0.5]
    assert all(gate.passed for gate in rows)
    hold(rows, "real, damaged, grey")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (TRUTH, [*np.ones(199), 0.99]),
        (INVERSE, [0.01, *np.zeros(199)]),
        (RANDOM, np.random.default_rng(1).normal(0.56, 0.1, 200)),
        ("sparseness", [*np.full(199, 0.5), 0.501]),
    ],
)
def test_a_broken_gate_is_an_error_that_names_it(name, values):
    with pytest.raises(FaithcamError, match=f"real, damaged, grey: {name} found .* expected"):
        hold(gates(known(**{name: np.array(values)})), "real, damaged, grey")


def test_gates_without_images_hold():
    nothing = gates({TRUTH: np.full(3, np.nan), RANDOM: np.array([1.0, 1.0])})
    assert [gate.passed for gate in nothing] == [True, True]
    assert not Gate("x", 0.4, 0.5, 0.05, 3).passed


# --- candidates -----------------------------------------------------------------------------------


def contributions(images=3, cells=(8, 8)):
    rng = torch.Generator().manual_seed(2)
    return torch.rand((images, *cells), generator=rng, dtype=torch.float64) - 0.3


def noise(ids=(4, 7, 9)):
    return Noise(Streams(1, "real", "vgg_small-flatten/seed0"), list(ids))


def test_candidates_are_the_truth_rearranged():
    truth = contributions()
    actual = damaged(truth, noise())
    assert len(actual) == 1 + 4 * 5
    assert next(iter(actual)) == "truth"
    assert torch.equal(actual["truth"], truth)
    for maps in actual.values():
        assert torch.equal(maps.flatten(1).sort(1).values, truth.flatten(1).sort(1).values)
        assert torch.equal(gini(maps), gini(truth))


def test_more_noise_is_farther_from_the_truth():
    truth = contributions(cells=(12, 12))
    actual = damaged(truth, noise())
    q = [
        np.mean(
            [spearman(ranks(truth), ranks(m)).mean() for n, m in actual.items() if f"_{s}_" in n]
        )
        for s in ("0.25", "0.5", "0.75", "1")
    ]
    assert 1 > q[0] > q[1] > q[2] > q[3]
    assert abs(q[3]) < 0.2


def test_candidates_depend_on_their_image_alone():
    truth = contributions()
    alone = damaged(truth[1:2], noise([7]))
    together = damaged(truth, noise())
    assert all(torch.equal(together[name][1:2], maps) for name, maps in alone.items())
    draws = [together[f"damaged_1_{draw}"] for draw in range(5)]
    assert not any(torch.equal(draws[0], other) for other in draws[1:])


def test_names_say_what_a_candidate_is():
    assert candidates.name("train_mean", 0.25, 3) == "train_mean.damaged_0.25_3"
    assert candidates.parse("train_mean.damaged_0.25_3") == Candidate("train_mean", 0.25, 3)
    assert candidates.name("blur") == "blur.truth"
    assert candidates.parse("blur.truth") == Candidate("blur")
    short = damaged(contributions(), noise())
    parsed = [candidates.parse(f"grey.{name}") for name in short]
    assert [candidates.name(*each) for each in parsed] == [f"grey.{name}" for name in short]
    assert candidates.parse("hirescam") is None
    assert candidates.parse("grey.damaged_x_1") is None
