"""Every branch from an estimate to an outcome, and from outcomes to a verdict."""

import numpy as np
import pytest
from scipy import stats

from faithcam.statistics.intervals import t_interval
from faithcam.validity import outcomes, ranks
from faithcam.validity.judge import NEEDED, over_datasets, verdict
from faithcam.validity.outcomes import Estimate
from faithcam.validity.predictions import CONTROLS
from faithcam.validity.preferences import area_under_curve, balanced_agreement


def found(low, high, floor=np.nan):
    return Estimate(6, (low + high) / 2, low, high, floor)


@pytest.mark.parametrize(
    ("rule", "interval", "numbers", "outcome"),
    [
        ("positive", (0.1, 0.2), (0, 0), "pass"),
        ("positive", (-0.2, -0.1), (0, 0), "fail"),
        ("positive", (-0.1, 0.1), (0, 0), "inconclusive"),
        ("positive_not_equal", (0.1, 0.2), (0.5, 0), "pass"),
        ("positive_not_equal", (0.001, 0.002), (0.005, 0), "pass"),
        ("positive_not_equal", (-0.2, -0.1), (0.05, 0), "fail"),
        ("positive_not_equal", (-0.004, 0.005), (0.005, 0), "fail"),
        ("positive_not_equal", (-0.004, 0.006), (0.005, 0), "inconclusive"),
        ("positive_not_equal", (-0.006, 0.004), (0.005, 0), "inconclusive"),
        ("positive_not_equal", (0, 0), (0, 0), "inconclusive"),
        ("not_positive", (-0.2, -0.1), (0.005, 0), "pass"),
        ("not_positive", (0.001, 0.005), (0.005, 0), "pass"),
        ("not_positive", (0.001, 0.006), (0.005, 0), "fail"),
        ("not_positive", (-0.001, 0.006), (0.005, 0), "inconclusive"),
        ("exceeds", (0.51, 0.9), (0.5, 0.05), "pass"),
        ("exceeds", (0.3, 0.49), (0.5, 0.05), "fail"),
        ("exceeds", (0.3, 0.54), (0.5, 0.05), "fail"),
        ("exceeds", (0.3, 0.55), (0.5, 0.05), "inconclusive"),
        ("exceeds", (0.3, 0.51), (0.5, 0), "inconclusive"),
        ("negative", (-0.2, -0.1), (0, 0), "pass"),
        ("negative", (0.1, 0.2), (0, 0), "fail"),
        ("negative", (-0.1, 0.2), (0, 0), "inconclusive"),
        ("exact", (0, 0), (0, 0), "pass"),
        ("exact", (1e-6, 1e-6), (1e-6, 0), "pass"),
        ("exact", (2e-6, 2e-6), (1e-6, 0), "fail"),
        ("reported", (5, 6), (0, 0), "reported"),
    ],
)
def test_outcomes(rule, interval, numbers, outcome):
    assert getattr(outcomes, rule)(found(*interval), *numbers)[0] == outcome


def test_a_sham_preferred_within_the_noise_floor_is_no_failure():
    assert outcomes.not_positive(found(0.01, 0.03, floor=0.02), 0.005, 0)[0] == "inconclusive"
    assert outcomes.not_positive(found(0.01, 0.03, floor=0.019), 0.005, 0)[0] == "fail"


RULES = ("positive", "positive_not_equal", "not_positive", "exceeds", "negative")


@pytest.mark.parametrize("rule", RULES)
def test_one_network_decides_nothing(rule):
    outcome, reason = getattr(outcomes, rule)(Estimate(1, 0.3), 0.1, 0.1)
    assert (outcome, reason) == ("inconclusive", "no interval from n = 1")
    assert getattr(outcomes, rule)(Estimate(0, np.nan), 0.1, 0.1) == ("inconclusive", "no estimate")


def test_a_law_without_a_comparison_is_not_passed():
    assert outcomes.exact(Estimate(0, 0.0), 0, 0)[0] == "inconclusive"


def test_t_interval():
    values = np.array([1.0, 2.0, 4.0, 7.0])
    error = stats.sem(values)
    expected = stats.t.interval(0.9, 3, values.mean(), error)
    assert t_interval(values, 0.9) == pytest.approx(expected)
    assert np.isnan(t_interval(values[:1], 0.9)).all()


def test_rank_correlations_are_scipys_row_by_row():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 20, 9)).astype(float)
    a[0], a[1, 3], b[2, :4] = 1.0, np.nan, np.nan
    values = ranks.spearman(a, b)
    assert np.isnan(values[0])
    for row in range(1, 20):
        kept = ~np.isnan(a[row]) & ~np.isnan(b[row])
        assert values[row] == pytest.approx(stats.spearmanr(a[row][kept], b[row][kept]).statistic)


def test_balanced_agreement():
    truth = np.array([1.0] * 15 + [-1.0] * 5)
    assert balanced_agreement(truth, truth) == 1
    assert balanced_agreement(-truth, truth) == 0
    assert balanced_agreement(np.ones(20), truth) == 0.5, "one answer for all is chance"
    assert balanced_agreement(np.zeros(20), truth) == 0.5, "ties count half"
    half = truth.copy()
    half[:3] = -1
    half[15] = 0
    assert balanced_agreement(half, truth) == pytest.approx((12 / 15 + 4.5 / 5) / 2)
    assert np.isnan(balanced_agreement(truth[:19], truth[:19])), "four images of one sign"


def test_area_under_curve():
    truth = np.array([1.0] * 20 + [-1.0] * 20)
    values = np.arange(40.0)
    assert area_under_curve(-values, truth) == 1
    assert area_under_curve(values, truth) == 0
    assert area_under_curve(0 * values, truth) == 0.5
    assert np.isnan(area_under_curve(values[:39], truth[:39]))


def row(control, outcome, role="required", **more):
    known = {"control": control, "role": role, "outcome": outcome, "low": 0.0}
    return {**known, "fails_among": outcomes.MOST * (outcome == "fail"), **more}


def rows(**outcome):
    return [row(name, outcome.get(name, "pass")) for name in NEEDED]


def test_the_required_controls_are_those_of_the_issue():
    assert set(NEEDED) == {"sham", "sham_not_over_gradcam", "agreement", "perfect_imputer"}
    keys = [(c.name, m, p) for c in CONTROLS for m in c.metrics for p in c.protocols]
    assert len(keys) == len(set(keys)), "one prediction per control, metric and protocol"


def test_verdicts():
    assert verdict(rows())["outcome"] == "valid"
    for role in ("required", "control"):
        found = verdict([*rows(), row("random", "fail", role)])
        assert (found["outcome"], found["reason"]) == ("not valid", "failed: random")
    found = verdict(
        [*rows(), row("random", "fail", "control"), row("gap_twin", "fail", "positive")]
    )
    assert found["outcome"] == "inconclusive"
    assert found["reason"] == "a law is broken, so nothing is judged: gap_twin"
    assert verdict([*rows(), row("tau", "fail", "descriptive")])["outcome"] == "valid"
    assert verdict([*rows(), row("random", "inconclusive", "control")])["outcome"] == "valid"
    for outcome in ("inconclusive", "reported"):
        found = verdict(rows(agreement=outcome))
        assert found["outcome"] == "inconclusive"
        assert found["reason"] == f"not passed: agreement ({outcome})"
    found = verdict([r for r in rows() if r["control"] != "perfect_imputer"])
    assert found["outcome"] == "inconclusive"
    assert found["reason"] == "not passed: perfect_imputer (not measured)"


def over(controls=(), **outcome):
    """Return the verdict over data sets whose verdicts are given; ``real`` has no truth."""
    known = {"protocol": "strict", "metric": "aopc"}
    found = []
    for dataset, value in outcome.items():
        names = NEEDED[:2] if dataset == "real" else NEEDED
        each = [row(name, "pass") for name in names] + [row("verdict", value, "verdict")]
        each += [row("random", "fail", "control")] * (value == "not valid")
        found += [each_row | known | {"dataset": dataset} for each_row in each]
    return over_datasets(found, controls)


def test_the_verdict_over_data_sets():
    ((valid, refuted, undecided, unknown)) = (
        over(a="valid", real="inconclusive"),
        over(a="valid", real="not valid"),
        over(a="valid", b="inconclusive"),
        over(real="inconclusive"),
    )
    for (found,), outcome, reason in (
        (valid, "valid", "valid on a, no control failed on any other"),
        (refuted, "not valid", "not valid on real"),
        (undecided, "inconclusive", "inconclusive on b"),
        (unknown, "inconclusive", "no data set on which all required controls could be judged"),
    ):
        assert (found["dataset"], found["outcome"], found["reason"]) == ("all", outcome, reason)


def test_data_sets_of_control_networks_do_not_count_over_all():
    (found,) = over(["b"], a="valid", b="not valid")
    assert found["outcome"] == "valid"
    assert over({"b": {"control": "untrained"}}, b="valid") == []


def test_one_of_many_controls_may_fail_by_chance():
    many = [*rows(), *(row(f"control {i}", "pass", "control") for i in range(16))]
    for among, outcome in ((20, "inconclusive"), (21, "not valid")):
        found = verdict([*many, row("random", "fail", "control", fails_among=among)])
        assert found["outcome"] == outcome, "21 intervals"
        assert "random" in found["reason"]
    assert verdict([*rows(), row("x", "reported", "control")])["outcome"] == "valid"


def test_over_data_sets_the_intervals_of_all_of_them_count():
    known = {"protocol": "strict", "metric": "aopc"}
    for among, outcome in ((9, "inconclusive"), (10, "not valid")):
        failed = row("random", "fail", "control", fails_among=among)
        a = [*rows(), failed, row("verdict", "not valid", "verdict")]
        b = [*rows(), row("random", "pass", "control"), row("verdict", "valid", "verdict")]
        each = [r | known | {"dataset": name} for name, part in (("a", a), ("b", b)) for r in part]
        (found,) = over_datasets(each)
        assert found["outcome"] == outcome, "10 intervals"
        assert ("random failed, but one of 10 may by chance" in found["reason"]) == (among == 9)


def test_a_failure_holds_in_families_up_to_its_p_value():
    values = np.array([-1.0, -2.0, -1.5, -0.7, -2.2])
    found = Estimate(5, values.mean(), *t_interval(values, 0.95))
    p = stats.ttest_1samp(values, 0).pvalue
    assert outcomes.fails_among(outcomes.positive, found, 0, 0, 0.95) == int(0.05 / p)
    assert found.widened(0.95, 7).low == pytest.approx(t_interval(values, 1 - 0.05 / 7)[0])
    assert outcomes.fails_among(outcomes.negative, found, 0, 0, 0.95) == 0
    broken = Estimate(9, 3.0)
    assert outcomes.fails_among(outcomes.exact, broken, 0, 0, 0.95) == outcomes.MOST


def test_a_valid_metric_is_seldom_refuted_by_chance():
    """No effect at all, 21 controls, 8 units: 20 % or more fail one, 5 % at most are refuted."""
    rng, failed, refuted = np.random.default_rng(0), 0, 0
    for _ in range(150):
        shared = rng.normal(size=(8, 1))
        values = (shared + rng.normal(size=(8, 21))) / np.sqrt(2)
        found = [Estimate(8, x.mean(), *t_interval(x, 0.95)) for x in values.T]
        among = [outcomes.fails_among(outcomes.positive, x, 0, 0, 0.95) for x in found]
        failed += max(among) > 0
        refuted += max(among) >= 21
    assert failed / 150 > 0.15
    assert refuted / 150 < 0.06
