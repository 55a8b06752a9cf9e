"""Reliability: numbers of the literature and by hand."""

import math

import numpy as np
import pytest

from faithcam.statistics.reliability import icc, icc_average, split_half

# Shrout and Fleiss 1979, table 2: six targets, four judges
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_the_example_of_shrout_and_fleiss():
    # their analysis of variance: 11.24 between the targets, 6.26 within
    between, within = 11.2417, 6.2639
    assert icc(JUDGES) == pytest.approx((between - within) / (between + 3 * within), abs=1e-4)
    assert icc(JUDGES) == pytest.approx(0.17, abs=0.005)
    assert icc_average(JUDGES) == pytest.approx(0.44, abs=0.005)


def test_the_mean_over_draws_follows_spearman_and_brown():
    single = icc(JUDGES)
    assert icc_average(JUDGES) == pytest.approx(4 * single / (1 + 3 * single))


def test_perfect_agreement_noise_and_constants():
    image = np.arange(5.0)[:, None].repeat(4, 1)
    assert icc(image) == icc_average(image) == pytest.approx(1)
    assert split_half(image) == pytest.approx(1)
    assert icc(np.array([[0.0, 1.0], [1.0, 0.0]])) == pytest.approx(-1)
    for score in (icc, icc_average, split_half):
        assert math.isnan(score(np.ones((3, 4))))
    noise = np.random.default_rng(0).normal(size=(4000, 20))
    for score in (icc, icc_average, split_half):
        assert abs(score(noise)) < 0.1


def test_icc_is_the_share_of_variance_between_images():
    random = np.random.default_rng(1)
    scores = random.normal(0, 2, (20000, 1)) + random.normal(0, 1, (20000, 8))
    assert icc(scores) == pytest.approx(4 / 5, abs=0.01)
    assert icc_average(scores) == pytest.approx(4 / (4 + 1 / 8), abs=0.01)
    assert split_half(scores) == pytest.approx(4 / (4 + 1 / 8), abs=0.01)


def test_halves_are_odd_and_even_draws():
    scores = np.array([[1.0, 9, 3, 1], [2, 4, 4, 6], [9, 1, 3, 5]])
    odd, even = [2, 3, 6], [5, 5, 3]
    r = np.corrcoef(odd, even)[0, 1]
    assert split_half(scores) == pytest.approx(2 * r / (1 + r))
    blocks = np.array([[1.0, 1.5], [2.0, 1.9], [3.0, 3.4]])
    r = np.corrcoef(*blocks.T)[0, 1]
    assert split_half(blocks) == pytest.approx(2 * r / (1 + r))


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (5,)])
def test_one_image_or_draw_is_not_enough(shape):
    for score in (icc, icc_average, split_half):
        with pytest.raises(ValueError, match="2 or more"):
            score(np.ones(shape))
