import numpy as np
import pytest
from scipy import stats

from faithcam.statistics.tests import discordant, sign_flip, smallest_p, wilcoxon


@pytest.mark.parametrize("n", [2, 3, 6, 9])
def test_sign_flip_equals_scipy(n):
    differences = np.random.default_rng(n).normal(0.5, 1, n)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip(differences) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 6, 20, 33, 41])
def test_sign_flip_reaches_its_smallest_p_when_all_differences_agree(n):
    assert sign_flip(np.linspace(1, 2, n), "key") == smallest_p(n)


def test_six_networks_reach_p_031():
    assert smallest_p(6) == 0.03125


def test_sign_flip_counts_ties_in_favour_of_no_difference():
    assert sign_flip(np.zeros(5)) == 1.0
    assert sign_flip(np.array([0.1, 0.2, 0.0])) == 0.5  # a zero keeps its value under both signs
    assert sign_flip(np.array([0.1, 0.1, -0.1])) == 1.0


def test_sign_flip_of_many_differences_is_keyed_and_near_the_t_test():
    differences = np.random.default_rng(0).normal(0.3, 1, 60)
    p = sign_flip(differences, "key")
    assert p == sign_flip(differences, "key") != sign_flip(differences, "other")
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=0.2)


def test_sign_flip_rejects_a_true_null_no_more_often_than_it_says():
    """With symmetric differences p is exact: P(p <= a) = a at its steps."""
    generator = np.random.default_rng(0)
    p = np.array([sign_flip(generator.standard_t(3, 6)) for _ in range(4000)])
    for steps in (1, 2, 3):
        level = steps * smallest_p(6)
        error = np.sqrt(level * (1 - level) / len(p))
        assert abs((p <= level).mean() - level) < 3 * error


# --- signed ranks, pairs of yes and no ---


@pytest.mark.parametrize("n", [7, 13])
def test_wilcoxon_with_ties_and_zeros_counts_all_sign_patterns(n):
    differences = np.round(np.random.default_rng(n).normal(0.4, 1, n))
    ranks = stats.rankdata(np.abs(differences)) * np.sign(differences)
    p, effect = wilcoxon(differences)
    assert len(set(np.abs(ranks))) < n
    assert p == pytest.approx(sign_flip(ranks), abs=1e-12)
    assert effect == pytest.approx(ranks.sum() / np.abs(ranks).sum())


@pytest.mark.parametrize("n", [12, 40, 60])
def test_wilcoxon_equals_scipy(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    method = "exact" if n <= 40 else "asymptotic"
    expected = stats.wilcoxon(differences, method=method).pvalue
    assert wilcoxon(differences)[0] == pytest.approx(expected)


def test_no_difference_at_all_is_no_evidence():
    assert wilcoxon(np.zeros(4)) == (1.0, 0.0)
    assert discordant(np.zeros(4)) == (1.0, 0.0)


def test_discordant_pairs_follow_a_binomial():
    p, effect = discordant(np.array([1, 1, 1, 1, -1, 0, 0]))
    assert p == pytest.approx(stats.binomtest(4, 5).pvalue)
    assert effect == pytest.approx(3 / 5)
