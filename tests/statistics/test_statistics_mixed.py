import numpy as np
import pandas as pd
import pytest
from scipy import stats

from faithcam.statistics import mixed

FINE = "mixed model (REML)"


def means_of(seed, network=1.0, shared=0.0, noise=1.0, architectures=2, seeds=5, classes=3):
    """Means of networks and classes: grand mean 2, architectures 0.5 apart, classes up to 0.5."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(range(architectures), range(seeds), range(classes), indexing="ij")
    a, s, c = (axis.ravel() for axis in axes)
    lasting = network * rng.normal(size=architectures * seeds)[a * seeds + s]
    value = 2 + 0.5 * (a - 0.5) + np.array([0.3, -0.1, -0.2])[c] + lasting
    value = value + shared * rng.normal(size=seeds)[s] + noise * rng.normal(size=len(a))
    return pd.DataFrame({"value": value, "architecture": a.astype(str), "seed": s, "class": c})


def fit(means, nested=False):
    return {effect.factor: effect for effect in mixed.fit(means, 0.95, nested=nested)}


def test_balanced_fit_is_the_analysis_of_variance():
    means = means_of(0)
    actual = fit(means)
    assert list(actual) == ["", "architecture", "class"]
    assert {effect.text for effect in actual.values()} == {FINE}
    wide = means.pivot(index=["architecture", "seed"], columns="class", values="value")
    networks = wide.mean(axis=1)
    groups = [group.to_numpy() for _, group in networks.groupby(level=0)]
    f = stats.f_oneway(*groups)
    assert actual["architecture"].effect == pytest.approx(f.statistic, rel=1e-3)
    assert actual["architecture"].p == pytest.approx(f.pvalue, rel=1e-3)
    spread = abs(groups[0].mean() - groups[1].mean())
    assert actual["architecture"].estimate == pytest.approx(spread, rel=1e-6)
    within = np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / 8 / 10)
    half = stats.t.ppf(0.975, 8) * within
    assert actual[""].estimate == pytest.approx(networks.mean())
    assert actual[""].low == pytest.approx(networks.mean() - half, rel=1e-3)
    assert actual[""].high == pytest.approx(networks.mean() + half, rel=1e-3)
    rest = wide.to_numpy() - networks.to_numpy()[:, None]
    between = 10 * (rest.mean(axis=0) ** 2).sum() / 2
    error = ((rest - rest.mean(axis=0)) ** 2).sum() / 18
    assert actual["class"].effect == pytest.approx(between / error, rel=1e-3)
    assert actual["class"].p == pytest.approx(stats.f.sf(between / error, 2, 18), rel=1e-3)


def test_effects_and_shares_of_variance_are_recovered():
    fits = [fit(means_of(seed, network=0.5, noise=0.25, seeds=20)) for seed in range(10)]
    assert np.mean([f[""].estimate for f in fits]) == pytest.approx(2, abs=0.06)
    assert np.mean([f["class"].estimate for f in fits]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([f["architecture"].estimate for f in fits]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([f[""].effect for f in fits]) == pytest.approx(0.8, abs=0.06)
    assert max(f["class"].p for f in fits) < 1e-3


def test_the_unit_is_the_scale_of_the_values():
    means = means_of(0)
    large, small = fit(means), fit(means.assign(value=1e-4 * means["value"]))
    assert small[""].high == pytest.approx(1e-4 * large[""].high)
    assert small["class"].p == pytest.approx(large["class"].p)


def test_no_variance_between_networks_is_a_singular_fit():
    means = means_of(0, network=0, noise=1)
    networks = means.groupby(["architecture", "seed"])["value"].transform("mean")
    architectures = means.groupby("architecture")["value"].transform("mean")
    means["value"] -= networks - architectures  # all networks of an architecture alike
    actual = fit(means)
    assert all("singular" in effect.text for effect in actual.values())
    assert actual[""].effect == pytest.approx(0, abs=1e-6)
    assert actual[""].low < actual[""].estimate < actual[""].high


def test_equal_means_have_no_fit():
    actual = fit(means_of(0).assign(value=0.0))
    assert "no fit" in actual[""].text
    assert np.isnan([actual[""].estimate, actual[""].p]).all()


def test_six_networks_are_needed():
    assert not fit(means_of(0, seeds=5, architectures=1))
    assert list(fit(means_of(0, seeds=6, architectures=1))) == ["", "class"]
    assert list(fit(means_of(0, seeds=3, classes=1))) == ["", "architecture"]


def test_networks_of_a_seed_that_share_images_do_not_count_twice():
    means = means_of(4, network=0.5, shared=2.0, noise=0.5, seeds=6)
    crossed, nested = fit(means), fit(means, nested=True)
    seeds = means.groupby("seed")["value"].mean()
    expected = stats.ttest_1samp(seeds, 0).confidence_interval()
    assert nested[""].text == FINE
    assert (nested[""].low, nested[""].high) == pytest.approx(tuple(expected), rel=1e-3)
    assert nested[""].high - nested[""].low > 1.3 * (crossed[""].high - crossed[""].low)
    wide = means.groupby(["seed", "architecture"])["value"].mean().unstack()
    paired = stats.ttest_rel(wide["0"], wide["1"])
    assert nested["architecture"].p == pytest.approx(paired.pvalue, rel=1e-2)


def test_a_class_that_a_network_lacks_is_no_obstacle():
    actual = fit(means_of(0).drop(index=[3, 7]))
    assert actual["class"].text == FINE
    assert np.isfinite(actual["class"].p)
