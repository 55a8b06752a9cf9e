"""Regions of images, and the orders in which they are removed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faithcam.removal.grid import grid, region_means
from faithcam.removal.orders import additive_drops, distinct, order_of, tied_share


@given(st.integers(1, 24), st.integers(1, 40))
def test_native_cells_follow_the_floor_rule(cells, extra):
    pixels = cells + extra
    rows, columns = grid((pixels, pixels), (cells, cells))
    expected = np.concatenate(
        [np.full((i + 1) * pixels // cells - i * pixels // cells, i) for i in range(cells)]
    )
    assert rows.tolist() == expected.tolist() == columns.tolist()


def test_regions_that_do_not_divide_the_image_leave_smaller_ones():
    rows, columns = grid((10, 8), 4)
    assert rows.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert columns.tolist() == [0] * 4 + [1] * 4
    maps = torch.ones(1, 10, 8)
    assert region_means(maps, 4, "none").tolist() == [[1.0] * 6]
    assert region_means(maps, 4, "zeros").tolist() == [[1, 1, 1, 1, 0.5, 0.5]]


@pytest.mark.parametrize("region", [0, 17])
def test_a_region_must_fit_the_image(region):
    with pytest.raises(ValueError, match="expected 1 to 16"):
        grid((16, 16), region)


def test_ties_are_raster_or_keyed():
    values = torch.tensor([[1.0, 2.0, 1.0, 1.0]])
    assert order_of(values).tolist() == [[1, 0, 2, 3]]
    keys = torch.tensor([[0.9, 0.5, 0.1, 0.4]])
    assert order_of(values, keys).tolist() == [[1, 2, 3, 0]]
    assert tied_share(values).tolist() == [0.75]
    assert tied_share(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [0.0]


@given(st.integers(0, 10_000))
def test_keyed_ties_do_not_touch_distinct_values(seed):
    random = np.random.default_rng(seed)
    values = torch.from_numpy(random.permutation(12).astype(np.float32))[None]
    keys = torch.from_numpy(random.random((1, 12)))
    assert torch.equal(order_of(values, keys), order_of(values))


def test_additive_contributions_fall_in_the_order_of_removal():
    contributions = torch.tensor([[1.0, -2.0, 4.0], [0.5, 0.25, 0.0]])
    order = torch.tensor([[2, 0, 1], [1, 0, 2]])
    actual = additive_drops(contributions, order)
    assert actual.tolist() == [[0, 4, 5, 3], [0, 0.25, 0.75, 0.75]]
    assert actual.dtype == torch.float64


def test_equal_tensors_are_found():
    a, b = torch.tensor([1, 2]), torch.tensor([1, 3])
    different, places = distinct([a, b, a.clone(), b.clone()])
    assert places == [0, 1, 0, 1]
    assert torch.equal(torch.stack(different), torch.stack([a, b]))
