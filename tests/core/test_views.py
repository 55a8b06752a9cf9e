"""Maps read where their cells look."""

import pytest
import torch

from faithcam.core.views import centred_on_fields, upsampled


def test_a_shift_reads_maps_where_their_cells_look():
    maps = torch.arange(16.0).view(1, 4, 4)
    # a cell is 4 px; the centres lie 2 px right and below: half a cell
    moved = centred_on_fields(maps, 2.0, (16, 16))
    assert torch.equal(moved[0, 1:, 1:], maps[0, 1:, 1:] - 2.5)
    assert moved[0, 0].tolist() == [0, 0.5, 1.5, 2.5]
    assert torch.equal(centred_on_fields(maps, 0.0, (16, 16)), maps)
    whole = centred_on_fields(maps, -4.0, (16, 16))  # a whole cell to the left and above
    assert torch.equal(whole[0, :-1, :-1], maps[0, 1:, 1:])


@pytest.mark.parametrize("offset", [-3.5, 1.0, 2.0])
def test_it_is_the_corrected_upsampled_map_at_the_cells_middles(offset):
    """The multiverse reads the same places, pixel by pixel."""
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 5)
    middles = upsampled(maps, (35, 35), offset)[:, 3::7, 3::7]
    assert torch.allclose(centred_on_fields(maps, offset, (35, 35)), middles, atol=1e-6)


def test_each_slice_of_a_volume_is_read_by_itself():
    maps = torch.arange(48.0).view(1, 3, 4, 4)
    moved = centred_on_fields(maps, 2.0, (3, 16, 16))
    assert torch.equal(moved[0, 1], centred_on_fields(maps[:, 1], 2.0, (16, 16))[0])
