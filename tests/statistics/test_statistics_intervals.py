import numpy as np
import pytest
from scipy import stats

from faithcam.statistics import floor
from faithcam.statistics.intervals import Resampling, bca, percentile, t_interval, two_way

REPEATS = 600


def coverage(interval, draw, truth):
    """Return how often an interval of drawn data holds the truth, and three standard errors."""
    rng = np.random.default_rng(0)
    actual = [interval(draw(rng)) for _ in range(REPEATS)]
    share = np.mean([low <= truth <= high for low, high in actual])
    return share, 3 * np.sqrt(0.95 * 0.05 / REPEATS)


def crossed(network, image, networks=6, images=30):
    """Return a function that draws differences of networks that all see the same images."""

    def draw(rng):
        separate, common = rng.normal(0, network, (networks, 1)), rng.normal(0, image, images)
        return 0.3 + separate + common + rng.normal(0, 1, (networks, images))

    return draw


def over_networks(values):
    return t_interval(values.mean(axis=1), 0.95)


def over_both(values):
    resampling = Resampling(np.arange(values.shape[1]), 200, "test")
    resampled, networks = resampling.means(values), resampling.networks(len(values))
    return two_way(values.mean(axis=1), resampled, networks, resampling.groups, 0.95)


def test_t_interval_covers_other_networks():
    share, error = coverage(over_networks, crossed(0.5, 0), 0.3)
    assert abs(share - 0.95) < error


def test_t_interval_over_networks_does_not_cover_other_images_and_the_two_way_one_does():
    draw = crossed(0.5, 1.5)
    share, _ = coverage(over_networks, draw, 0.3)
    assert share < 0.85
    share, error = coverage(over_both, draw, 0.3)
    assert 0.95 - error < share < 0.99


def test_two_way_interval_covers_other_networks_though_they_are_few():
    share, error = coverage(over_both, crossed(2.0, 0.5), 0.3)
    assert abs(share - 0.95) < error + 0.01


def test_two_way_is_the_t_interval_where_all_images_are_alike():
    values = np.repeat(np.random.default_rng(0).normal(size=(7, 1)), 20, axis=1)
    resampling = Resampling(np.arange(20), 20_000, "test")
    resampled, networks = resampling.means(values), resampling.networks(7)
    assert resampled == pytest.approx(np.repeat(values[:, :1].T, 20_000, axis=0))
    actual = two_way(values[:, 0], resampled, networks, 20, 0.95)
    assert actual == pytest.approx(t_interval(values[:, 0], 0.95), rel=0.02)


def test_two_way_interval_equals_resampling_cell_by_cell():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 8))
    values[[0, 1, 3], [2, 6, 6]] = np.nan
    means = np.nanmean(values, axis=1)
    resampling = Resampling(np.arange(8), 6000, "test")
    actual = two_way(means, resampling.means(values), resampling.networks(5), 8, 0.95)

    def variance(networks, images):
        drawn = []
        for _ in range(6000):
            rows = rng.integers(0, 5, 5) if networks else np.arange(5)
            columns = rng.integers(0, 8, 8) if images else np.arange(8)
            drawn.append(np.nanmean(values[rows][:, columns], axis=1).mean())
        return np.var(drawn)

    a, b = means.var(ddof=1) / 5, variance(False, True) * 8 / 7
    freedom = (a + b) ** 2 / (a**2 / 4 + b**2 / 7)
    half = np.sqrt(variance(True, True) + a / 5 + b / 8) * stats.t.ppf(0.975, freedom)
    assert actual == pytest.approx((means.mean() - half, means.mean() + half), abs=0.05 * half)


def test_two_way_leaves_out_a_network_whose_images_a_resample_misses():
    resampled = np.array([[2.0, 2.0], [2.0, np.nan], [np.nan, np.nan]])
    networks = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    assert two_way(np.array([2.0, 2.0]), resampled, networks, 3, 0.95) == (2, 2)


def test_images_of_a_group_are_drawn_together():
    resampling = Resampling(np.array(["b", "a", "b", "c"]), 50, "test")
    assert resampling.groups == 3
    ones = np.eye(4)
    drawn = resampling.ratios(ones, np.ones((4, 4)))
    assert np.array_equal(drawn[:, 0], drawn[:, 2])
    assert not np.array_equal(drawn[:, 0], drawn[:, 1])


def test_resamples_are_keyed():
    draw = [Resampling(np.arange(9), 5, "test", k).networks(4) for k in (0, 0, 1)]
    assert np.array_equal(draw[0], draw[1])
    assert not np.array_equal(draw[0], draw[2])
    assert (draw[0].sum(axis=1) == 4).all()


def test_percentile_interval_of_images_equals_scipy():
    values = np.random.default_rng(1).gamma(2, size=(1, 40))
    resampled = Resampling(np.arange(40), 20_000, "test").means(values)
    ((low, high),) = percentile(resampled, np.array([40]), 0.95)
    expected = stats.bootstrap(values, np.mean, method="percentile", rng=0, n_resamples=20_000)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), rel=0.02)


def test_images_that_do_not_count_are_left_out():
    values = np.array([[1.0, np.nan, 3.0], [np.nan, 5.0, np.nan], [np.nan] * 3])
    resampled = Resampling(np.arange(3), 500, "test").means(values)
    counts = np.array([2, 1, 0])
    assert percentile(resampled, counts, 0.95)[0] == (1, 3)
    assert np.isnan(percentile(resampled, counts, 0.95)[1:]).all()
    assert np.nanmax(resampled[:, 1]) == 5
    assert np.isnan(resampled[:, 1]).mean() == pytest.approx((2 / 3) ** 3, abs=0.07)


def test_one_unit_has_no_interval():
    assert np.isnan(t_interval(np.ones(1), 0.95)).all()
    for networks, groups in ((1, 5), (5, 1)):
        ones = np.ones((9, networks))
        assert np.isnan(two_way(ones[0], ones, ones, groups, 0.95)).all()


def test_bca_interval_leans_with_the_data():
    values = np.random.default_rng(2).gamma(0.5, size=30)
    low, high = bca(values, 0.95, 2000, "test")
    assert high - values.mean() > 1.2 * (values.mean() - low)
    assert (low, high) == bca(values, 0.95, 2000, "test")


# --- noise floor ---


def test_floor_is_the_95_percent_quantile_of_how_far_a_mean_moves():
    """Networks with very different noise, two streams each: in 95 % the mean moves less."""
    rng = np.random.default_rng(0)
    scale = np.array([0.1, 1.0, 3.0])[:, None] * rng.gamma(2, size=(3, 25))
    inside, single = [], []
    for _ in range(4000):
        changes = scale * (rng.normal(size=scale.shape) - rng.normal(size=scale.shape))
        floors = floor.of_networks(changes, np.full(3, 25))
        moved = changes.mean(axis=1)
        inside.append(abs(moved.mean()) <= floor.of_mean(floors, np.full(3, 1 / 3)))
        single.append(np.abs(moved) <= floors)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)
    assert np.mean(single, axis=0) == pytest.approx([0.95] * 3, abs=0.025)


def test_floor_of_draws_that_move_all_images_is_the_quantile_of_a_further_one():
    rng = np.random.default_rng(0)
    for networks in (1, 2, 6):
        inside, naive = [], []
        for _ in range(4000):
            known, further = rng.normal(size=(2, networks, 1)) + rng.normal(0, 0.1, (2, 1, 25))
            weights = np.full(networks, 1 / networks)
            moved = abs(further.mean())
            inside.append(moved <= floor.of_draws(known, weights))
            each = floor.of_networks(known, np.full(networks, 25))
            naive.append(moved <= floor.of_mean(each, weights))
        assert np.mean(inside) == pytest.approx(0.95, abs=0.02)
        assert np.mean(naive) < 0.5  # as if images were independent
    assert np.isnan(floor.of_draws(np.array([[np.nan], [1.0]]), np.ones(2)))


def test_floor_of_one_image_is_a_quantile_over_images():
    changes = np.append(np.linspace(-1, 1, 201), np.nan)
    assert floor.of_image(changes) == pytest.approx(0.95, abs=0.005)
    assert np.isnan(floor.of_image(np.array([np.nan])))


def test_there_is_no_floor_without_a_second_stream():
    floors = floor.of_networks(np.array([[np.nan, np.nan], [1.0, -1.0]]), np.array([2, 2]))
    assert np.isnan(floors[0])
    assert floors[1] == pytest.approx(1.959964 * np.sqrt(2) / 2)
    assert np.isnan(floor.of_mean(floors, np.array([0.5, 0.5])))
