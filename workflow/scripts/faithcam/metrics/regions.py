"""Regions of images that are removed: which a config names, and how many there are.

Nothing here imports torch: the workflow asks while it reads its rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faithcam.metrics.networks import NetworkSpec
from faithcam.removal.sides import depth_of

NATIVE = "native"  # one region per cell of the map


def regions_of(size: int, region: int) -> int:
    """Return how many square regions an image has; of volumes how many a slice is cut into."""
    return math.ceil(size / region) ** 2


def counted(network: NetworkSpec, region: int | str) -> int:
    """Return how many regions an image of a network has, or a slice of a volume."""
    return network.cells**2 if region == NATIVE else regions_of(network.size, int(region))


def cells_of(network: NetworkSpec) -> int:
    """Return the same of native cells: of volumes those of a slice, each is asked about once."""
    return counted(network, NATIVE)


def layers(network: NetworkSpec, region: int | str) -> int:
    """Return how many regions of a volume lie above each other; 1 for images."""
    depth = 1 if region == NATIVE else depth_of(int(region), network.size, network.slices)
    return math.ceil(max(1, network.slices) / depth)


def strict_regions(network: NetworkSpec, regions: Iterable[int | str]) -> list[int | str]:
    """Return the strict protocol's regions: beside ``native`` no px size that is the cell.

    Args:
        network: whose cells they are.
        regions: px sizes or ``native``.
    """
    regions = list(regions)
    return [
        region
        for region in regions
        if region == NATIVE
        or NATIVE not in regions
        or int(region) * network.cells != network.size
        or depth_of(int(region), network.size, network.slices) > 1
    ]
