"""Random effects over data sets, and choosing on half of them."""

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from faithcam.validity.across import CONFIRMED, NOT_CONFIRMED, across, confirmed, halves
from faithcam.validity.estimates import Ends, Estimate
from faithcam.validity.pooled import pooled
from faithcam.validity.verdict import (
    FAMILIES,
    OWN_REFERENCE,
    UNDECIDED,
    USABLE,
    Judged,
    Recommendation,
    Verdict,
)

# 13 trials of the BCG vaccine: cases and others, vaccinated and not. Colditz et al. 1994,
# 10.1001/jama.1994.03510330076038; the data of van Houwelingen et al. 2002, 10.1002/sim.1040
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
        (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619),
        (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
        (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
    ],
    float,
)  # fmt: skip


def log_risk_ratios():
    a, b, c, d = BCG.T
    variances = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    return np.log(a / (a + b) / (c / (c + d))), np.sqrt(variances)


def test_random_effects_of_the_bcg_trials():
    actual = pooled(*log_risk_ratios())
    # Q = 152.233 with 12 degrees of freedom, as R's metafor has it (method="DL")
    assert actual.i_squared == pytest.approx(1 - 12 / 152.233, abs=1e-5)
    assert actual.variance == pytest.approx(0.3088, abs=5e-5)
    assert actual.estimate == pytest.approx(-0.7141, abs=5e-5)
    assert actual.error == pytest.approx(0.1787, abs=5e-5)


def test_random_effects_as_statsmodels_has_them():
    effects, errors = log_risk_ratios()
    expected = combine_effects(effects, errors**2, method_re="chi2")
    actual = pooled(effects, errors)
    assert actual.estimate == pytest.approx(expected.mean_effect_re, rel=1e-12)
    assert actual.error == pytest.approx(expected.sd_eff_w_re, rel=1e-12)
    assert actual.variance == pytest.approx(expected.tau2, rel=1e-12)


def test_the_prediction_is_wider_than_the_interval():
    actual = pooled(*log_risk_ratios())
    low, high = actual.interval(0.95)
    assert actual.prediction(0.95)[0] < low < actual.estimate < high < actual.prediction(0.95)[1]
    # -0.7141 -+ t(11) sqrt(.3088 + .1787^2), Higgins et al. 2009
    assert actual.prediction(0.95) == pytest.approx((-1.9988, 0.5706), abs=2e-4)


def test_equal_data_sets_have_no_heterogeneity():
    actual = pooled(np.full(4, 0.2), np.array([0.1, 0.2, 0.1, 0.3]))
    assert (actual.variance, actual.i_squared) == (0, 0)
    assert actual.estimate == pytest.approx(0.2)


def test_one_data_set_says_nothing_of_others():
    actual = pooled(np.array([0.2]), np.array([0.1]))
    assert (actual.estimate, actual.error) == (0.2, 0.1)
    assert np.isnan([actual.i_squared, *actual.interval(0.95), *actual.prediction(0.95)]).all()
    two = pooled(np.array([0.2, 0.3]), np.array([0.1, 0.1]))
    assert np.isnan(two.prediction(0.95)).all()
    assert not np.isnan(two.interval(0.95)).any()


AOPC, HAAS = ("strict", "aopc", ""), ("strict", "haas", "")


def judgement(lowest, difference=0.2, words=None, families=FAMILIES):
    """Return verdicts on two metrics; aopc's difference is given."""
    verdicts = []
    for key, value in ((AOPC, difference), (HAAS, 0.3)):
        for estimand in ("background", "grey"):
            judged = Judged(None, 0.8, 0.6, 0.0, Estimate(value, 0.01, 9, 10), Ends(0, 0, 0.95))
            word = (words or {}).get((key, estimand), USABLE)
            verdicts.append(Verdict(key, estimand, dict.fromkeys(families, judged), word, ""))
    return verdicts, Recommendation(None, (), dict(zip((AOPC, HAAS), lowest, strict=True)), "")


NAMES = [f"data{i}" for i in range(7)]


def test_the_split_is_keyed_and_complete():
    first, second = halves(NAMES, 3)
    assert sorted(first + second) == NAMES
    assert (len(first), len(second)) == (4, 3)
    assert halves(NAMES[::-1], 3) == (first, second)
    assert any(halves(NAMES, seed)[0] != first for seed in range(4, 8))


def test_chosen_on_half_of_the_data_sets_and_confirmed_on_the_others():
    first, second = halves(NAMES, 3)
    # haas is better, but on the half that is not chosen on
    judgements = {n: judgement((0.8, 0.7) if n in first else (0.5, 0.9)) for n in NAMES}
    key, word, why = confirmed(judgements, 3, 0.95)
    assert (key, word) == (AOPC, CONFIRMED)
    assert why == f"chosen on {', '.join(first)}; confirmed on {', '.join(second)}"
    # what the first half says of the floor does not count, what one of the others does counts
    judgements[first[0]] = judgement((0.8, 0.7), -0.5)
    assert confirmed(judgements, 3, 0.95)[1] == CONFIRMED
    judgements[second[0]] = judgement((0.5, 0.9), -0.5)
    assert confirmed(judgements, 3, 0.95)[1] == NOT_CONFIRMED


def test_data_sets_that_confirm_can_be_declared():
    judgements = {
        "a": judgement((0.8, 0.7)),
        "b": judgement((0.6, 0.9)),
        "c": judgement((0.1, 0.9)),
    }
    key, word, why = confirmed(judgements, 3, 0.95, ["c"])
    assert (key, word) == (HAAS, CONFIRMED)
    assert why == f"chosen on a, b; {word} on c"
    judgements["c"] = judgement((0.1, 0.9), words={(key, "grey"): UNDECIDED})
    assert confirmed(judgements, 3, 0.95, ["c"])[1] == NOT_CONFIRMED
    # of two, it is the pooled difference that counts
    assert confirmed(judgements, 3, 0.95, ["b", "c"])[1] == CONFIRMED
    assert confirmed({"c": judgement((0.8, 0.7))}, 3, 0.95, ["c"]) is None


def test_too_few_data_sets_confirm_nothing():
    assert confirmed({n: judgement((0.8, 0.7)) for n in NAMES[:3]}, 3, 0.95) is None


def test_the_own_reference_confirms_nothing():
    own = {(AOPC, "grey"): OWN_REFERENCE}
    judgements = {n: judgement((0.8, 0.7), words=own) for n in NAMES}
    for verdicts, _ in judgements.values():  # its interval does not matter
        for each in verdicts:
            if each.word == OWN_REFERENCE:
                bad = Judged(None, 0, 1, 0, Estimate(-1, 0.01, 9, 10), Ends(0, 0, 0.95))
                each.families.update(dict.fromkeys(FAMILIES, bad))
    assert confirmed(judgements, 3, 0.95)[:2] == (AOPC, CONFIRMED)


def test_words_are_counted_over_data_sets():
    judgements = {n: judgement((0.8, 0.7)) for n in NAMES[:2]}
    judgements["data2"] = judgement((0.8, 0.7), words={(AOPC, "grey"): UNDECIDED})
    rows = {(row.evaluation, row.estimand): row for row in across(judgements, NAMES[:3])}
    assert rows[AOPC, "grey"].reason == "undecided: data2; usable: data0, data1"
    assert rows[AOPC, "grey"].families["damaged"].count == 3
    assert rows[HAAS, "grey"].families["methods"].estimate == pytest.approx(0.3)
