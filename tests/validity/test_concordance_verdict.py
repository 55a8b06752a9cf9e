"""Intervals over networks, Holm, words, the recommendation."""

from dataclasses import replace

import numpy as np
import pytest

from faithcam.statistics.intervals import Resampling
from faithcam.validity.estimates import Design, Estimate, holm_ends, holm_levels
from faithcam.validity.verdict import (
    BLIND,
    FAMILIES,
    NO_INFORMATION,
    OWN_REFERENCE,
    TOO_FEW,
    UNDECIDED,
    USABLE,
    Cell,
    recommendation,
    verdicts,
)

AOPC, ROAD, HAAS = (("strict", name, "") for name in ("aopc", "road", "haas"))


def design(networks=10, images=12, nested=False, groups=None):
    """Return the design of networks; nested: each seed has its own images and two networks."""
    groups = np.arange(images) if groups is None else np.asarray(groups)
    seeds = np.arange(networks) // (2 if nested else 1)
    return Design(seeds, groups, nested, Resampling(groups, 200, 1, "test"))


def values(mean, networks=10, images=12, seed=0, of_network=0.02, of_image=0.05, of_both=0.05):
    """Return (K, I) numbers with effects of networks, of images, and of both."""
    rng = np.random.default_rng([seed, 8])
    parts = ((of_network, (networks, 1)), (of_image, (1, images)), (of_both, (networks, images)))
    return mean + sum(spread * rng.normal(size=shape) for spread, shape in parts)


def cells(key, difference, estimands=("background",), families=FAMILIES, seed=0, **changes):
    """Return the cells of an evaluation whose C is .6 + difference, over a floor of .6."""
    shape = {"networks": 10, "images": 12} | changes.pop("shape", {})
    chosen = {"tied": np.zeros(shape["networks"])} | changes
    return [
        Cell(key, e, f, values(0.6 + difference, seed=[seed, i, j], **shape), np.full(
            tuple(shape.values()), 0.6), **chosen)
        for i, e in enumerate(estimands)
        for j, f in enumerate(families)
    ]  # fmt: skip


def said(some, of=None):
    return {(v.evaluation[1], v.estimand): v.word for v in verdicts(some, of or design(), 0.95)}


# --- Holm -----------------------------------------------------------------------------------------


def test_levels_by_hand():
    # .05 / 3 > .01, .05 / 2 > .02, .05 < .06: two are rejected
    assert holm_levels(np.array([0.06, 0.01, 0.02]), 0.05) == pytest.approx([0.05, 0.05 / 3, 0.025])
    # the second is not rejected, so the third is not either, though .04 < .05
    actual = holm_levels(np.array([0.04, 0.03, 0.01]), 0.05)
    assert actual == pytest.approx([0.025, 0.025, 0.05 / 3])
    assert holm_levels(np.array([0.5, 0.4]), 0.05).tolist() == [0.025, 0.025]
    assert not len(holm_levels(np.empty(0), 0.05))


def test_a_smaller_p_value_has_no_larger_level_and_more_hypotheses_no_larger_ones():
    rng = np.random.default_rng(4)
    for _ in range(50):
        p = rng.beta(0.3, 2, 12)
        levels = holm_levels(p, 0.05)
        assert (np.diff(levels[np.argsort(p)]) >= 0).all()
        assert (levels[:6] <= holm_levels(p[:6], 0.05)).all()
        assert (levels >= 0.05 / 12).all()


def test_ends_leave_out_0_where_holm_establishes_a_sign():
    estimates = [Estimate(value, 0.1, 9, 10) for value in (0.5, 0.25, -0.6, 0.0, 0.31)]
    ends = holm_ends(estimates, 0.95)
    for sign in (1, -1):
        p = np.array([each.p(sign) for each in estimates])
        rejected = p < holm_levels(p, 0.025)
        beyond = [each.low > 0 if sign == 1 else each.high < 0 for each in ends]
        assert beyond == rejected.tolist()
    assert any(each.low > 0 for each in ends)
    assert any(each.high < 0 for each in ends)


def test_one_interval_is_students():
    (ends,) = holm_ends([Estimate(0.2, 0.1, 9, 10)], 0.95)
    assert (ends.low, ends.high) == pytest.approx(
        (0.2 - 0.1 * 2.2622, 0.2 + 0.1 * 2.2622), abs=1e-5
    )
    assert ends.level == pytest.approx(0.95)


def test_without_an_error_nothing_is_established():
    nothing = Estimate(0.3, np.nan, 0, 1)
    assert (nothing.p(1), nothing.p(-1)) == (1, 1)
    assert np.isnan(holm_ends([nothing], 0.95)[0].low)
    exact = Estimate(0.3, 0, 9, 10)
    assert (exact.p(1), exact.p(-1)) == (0, 1)
    assert holm_ends([exact], 0.95)[0].low == 0.3


# --- errors ---------------------------------------------------------------------------------------


def test_an_interval_is_never_narrower_than_the_images_own_error():
    """Networks that agree to the digit tell nothing of other images."""
    same = values(0.1, of_network=0, of_both=0)
    own = same[0].std(ddof=1) / np.sqrt(same.shape[1])
    actual = design().estimate(same)
    assert actual.error >= 0.9 * own  # a bootstrap of 200 resamples
    assert actual.freedom == pytest.approx(11)
    assert actual.value == pytest.approx(same.mean())


def test_where_images_do_not_matter_the_error_is_that_of_the_networks():
    actual = design().estimate(values(0.1, of_image=0, of_both=0))
    means = values(0.1, of_image=0, of_both=0).mean(axis=1)
    assert actual.error == pytest.approx(means.std(ddof=1) / np.sqrt(10), rel=0.1)
    assert actual.freedom == pytest.approx(9, rel=0.01)


def nested_values(mean=0.1, seeds=10, images=6, seed=0, agree=False):
    """Return (2 seeds, seeds * images): each seed has images of its own."""
    actual = np.full((2 * seeds, seeds * images), np.nan)
    for s in range(seeds):
        part = values(mean, 2, images, [seed, s])
        if agree:  # all units have one mean
            part += mean - part.mean(axis=1, keepdims=True)
        actual[2 * s : 2 * s + 2, s * images : (s + 1) * images] = part
    return actual


def test_where_seeds_have_their_own_images_the_unit_is_the_seed():
    of, numbers = design(20, 60, nested=True), nested_values()
    actual = of.estimate(numbers)
    units = np.nanmean(numbers, axis=1).reshape(10, 2).mean(axis=1)
    assert (of.units, actual.units, actual.freedom) == (10, 10, 9)
    assert actual.value == pytest.approx(units.mean())
    assert actual.error == pytest.approx(units.std(ddof=1) / np.sqrt(10))
    agreed = of.estimate(nested_values(agree=True))
    assert agreed.error > 0.005  # that of 60 images, though the seeds' means do not differ


def test_one_network_alone_is_asked_over_its_images_or_patients():
    of = design(1, 12)
    numbers = values(0.1, 1)
    actual = of.estimate(numbers)
    assert (actual.units, actual.freedom) == (12, 11)
    assert actual.error == pytest.approx(numbers.std(ddof=1) / np.sqrt(12))
    patients = design(1, 12, groups=np.repeat(np.arange(4), 3)).estimate(numbers)
    means = numbers.reshape(4, 3).mean(axis=1)
    assert (patients.units, patients.freedom) == (4, 3)
    assert patients.error == pytest.approx(means.std(ddof=1) / 2)


def test_networks_without_a_number_do_not_count():
    numbers = values(0.1)
    numbers[3] = np.nan
    numbers[5, :4] = np.nan
    actual = design().estimate(numbers)
    assert actual.units == 9
    assert actual.value == pytest.approx(np.nanmean(np.delete(numbers, 3, 0), axis=1).mean())
    nothing = design().estimate(np.full((10, 12), np.nan))
    assert np.isnan(nothing.value)
    assert nothing.units == 0


# --- words ----------------------------------------------------------------------------------------


def test_words():
    both = [*cells(AOPC, 0.2), *cells(ROAD, 0.0), *cells(HAAS, -0.2)]
    assert said(both) == {
        ("aopc", "background"): USABLE,
        ("road", "background"): UNDECIDED,
        ("haas", "background"): BLIND,
    }


def test_both_families_decide():
    high, low = cells(AOPC, 0.2), cells(AOPC, -0.2)
    assert said([high[0], low[1]]) == {("aopc", "background"): BLIND}
    assert said([high[0], cells(AOPC, 0.0)[1]]) == {("aopc", "background"): UNDECIDED}
    (one,) = verdicts(high[1:], design(), 0.95)
    assert one.word == USABLE
    assert one.reason == "asked about methods alone; surely above the floor"


def test_mostly_tied_pairs_have_no_information():
    assert said(cells(AOPC, 0.2, tied=np.full(10, 0.51))) == {
        ("aopc", "background"): NO_INFORMATION
    }
    assert said(cells(AOPC, 0.2, tied=np.full(10, 0.5))) == {("aopc", "background"): USABLE}
    high, low = cells(AOPC, 0.2), cells(AOPC, 0.2, tied=np.full(10, 0.9))
    assert said([high[0], low[1]]) == {("aopc", "background"): NO_INFORMATION}


@pytest.mark.parametrize(("networks", "word"), [(7, TOO_FEW), (8, USABLE)])
def test_fewer_than_8_networks_have_no_words(networks, word):
    some = cells(AOPC, 0.3, shape={"networks": networks})
    (verdict,) = verdicts(some, design(networks), 0.95)
    assert verdict.word == word
    assert verdict.families["damaged"].concordance == pytest.approx(0.9, abs=0.1)
    assert verdict.families["damaged"].ends.low > 0  # numbers are there


def test_one_network_has_words_of_its_own():
    some = cells(AOPC, 0.3, shape={"networks": 1})
    assert said(some, design(1)) == {("aopc", "background"): USABLE}
    few = cells(AOPC, 0.3, shape={"networks": 1, "images": 7})
    (verdict,) = verdicts(few, design(1, 7), 0.95)
    assert (verdict.word, verdict.reason) == (TOO_FEW, "7 images, fewer than 8")


def test_a_metrics_own_reference_is_a_law_and_costs_the_others_nothing():
    own = cells(AOPC, 0.35, own_reference=True)
    others = cells(ROAD, 0.08)
    assert said([*own, *others])["aopc", "background"] == OWN_REFERENCE
    with_own = {v.evaluation: v for v in verdicts([*own, *others], design(), 0.95)}
    (alone,) = verdicts(others, design(), 0.95)
    assert with_own[ROAD].families["damaged"].ends == alone.families["damaged"].ends
    assert with_own[AOPC].families["damaged"].ends.level == pytest.approx(0.95)


def test_error_rate_and_power():
    """Twelve metrics as good as the floor are called better or worse in at most 5 % of runs."""
    keys = [("strict", f"metric{i}", "") for i in range(12)]
    wrong, strong, runs = 0, 0, 60
    for run in range(runs):
        some = [cell for i, key in enumerate(keys) for cell in cells(key, 0, seed=100 * run + i)]
        some += cells(AOPC, 0.12, seed=100 * run + 50)
        words = said(some)
        strong += words.pop(("aopc", "background")) == USABLE
        wrong += bool({USABLE, BLIND} & set(words.values()))
    assert wrong / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert strong / runs >= 0.8


# --- recommendation -------------------------------------------------------------------------------


def recommended(some, of=None):
    of = of or design()
    return recommendation(verdicts(some, of, 0.95), of, 0.95)


def test_the_largest_minimum_is_recommended_with_its_confidence_set():
    both = ("background", "grey")
    uneven = [*cells(AOPC, 0.35, ("background",)), *cells(AOPC, 0.15, ("grey",), seed=1)]
    actual = recommended(
        [*uneven, *cells(ROAD, 0.25, both, seed=2), *cells(HAAS, 0.24, both, seed=3)]
    )
    assert actual.evaluation == ROAD  # aopc has a larger mean, or as large a one
    assert set(actual.confidence_set) == {ROAD, HAAS}
    assert actual.lowest[AOPC] == pytest.approx(0.75, abs=0.04)


def test_the_own_reference_is_left_out():
    own = cells(AOPC, -0.3, ("grey",), own_reference=True)
    actual = recommended([*cells(AOPC, 0.3), *own, *cells(ROAD, 0.2, ("background", "grey"))])
    assert actual.evaluation == AOPC
    assert actual.lowest[AOPC] > 0.8
    good = cells(AOPC, 0.39, ("grey",), own_reference=True)
    weak = [*cells(AOPC, 0.1), *good, *cells(ROAD, 0.2, ("background", "grey"))]
    assert recommended(weak).evaluation == ROAD


def test_only_what_is_usable_everywhere_is_recommended():
    both = ("background", "grey")
    actual = recommended([*cells(AOPC, 0, both), *cells(ROAD, -0.1, both)])
    assert actual.evaluation is None
    assert AOPC in actual.confidence_set
    assert "not usable" in actual.reason


def test_what_is_usable_is_recommended_before_what_is_larger_but_unsure():
    unsure = cells(ROAD, 0.3)
    wild = np.random.default_rng(1).normal(0, 0.6, (10, 1))  # networks that say different things
    unsure = [replace(cell, c=cell.c + wild - wild.mean()) for cell in unsure]
    actual = recommended([*cells(AOPC, 0.2), *unsure])
    assert actual.lowest[ROAD] > actual.lowest[AOPC]
    assert actual.evaluation == AOPC
    assert set(actual.confidence_set) == {AOPC, ROAD}


def test_what_was_asked_about_one_family_is_not_compared():
    actual = recommended([*cells(AOPC, 0.35, families=("methods",)), *cells(ROAD, 0.2)])
    assert actual.evaluation == ROAD
    assert set(actual.lowest) == {ROAD}


def test_few_networks_recommend_nothing():
    some = cells(AOPC, 0.3, shape={"networks": 5})
    actual = recommended(some, design(5))
    assert (actual.evaluation, actual.confidence_set, actual.reason) == (None, (), TOO_FEW)
    assert actual.lowest[AOPC] > 0.8
