"""Sides of square regions of images and of cubic ones of volumes. Nothing here imports torch."""


def depth_of(region: int, size: int, slices: int) -> int:
    """Return how many slices a cubic region has: as large a share as of the rows, at least one.

    Args:
        region: side in pixels.
        size: rows of a slice.
        slices: of the volume.
    """
    return max(1, (2 * region * slices + size) // (2 * size))  # halves are rounded up


def sides_of(size: tuple[int, ...], region: int) -> tuple[int, ...]:
    """Return the sides of a region of some px: rows and columns; of volumes slices before.

    A cubic region has as large a share of the slices as of the rows, rounded, at least one.
    """
    depth = [depth_of(region, size[-2], slices) for slices in size[:-2]]
    return (*depth, region, region)
