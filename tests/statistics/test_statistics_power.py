import numpy as np
import pytest
from scipy import stats

from faithcam.statistics.power import detectable, units_needed


@pytest.mark.parametrize("n", [3, 6, 20])
def test_the_detectable_mean_is_detected_in_80_percent(n):
    values = np.random.default_rng(n).normal(detectable(n, 0.05), 1, (20_000, n))
    p = stats.ttest_1samp(values, 0, axis=1).pvalue
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("effect", [0.1, 0.4, 1.0, 1.43, 2.5, 11.0, 200.0, np.inf])
def test_units_needed_are_the_fewest_that_detect_the_effect(effect):
    n = units_needed(effect, 0.05)
    assert detectable(n, 0.05) <= effect
    assert n == 2 or detectable(n - 1, 0.05) > effect


def test_known_values():
    assert units_needed(0.5, 0.05) == 34  # Cohen 1988; G*Power
    assert units_needed(0.2, 0.05) == 199
    assert units_needed(11.0, 0.05) == 3
    assert np.isnan(units_needed(np.nan, 0.05))
