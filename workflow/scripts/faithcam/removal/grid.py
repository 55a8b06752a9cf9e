"""Regions of images: squares of pixels, or the native cells of maps; what maps say of them."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from faithcam.core.views import upsampled
from faithcam.removal.sides import sides_of

Padding = Literal["zeros", "none"]
Regions = tuple[Tensor, ...]  # along each axis, see grid


def grid(size: tuple[int, ...], region: int | tuple[int, ...], offset: float = 0.0) -> Regions:
    """Return the region row of each pixel row and the region column of each pixel column.

    Args:
        size: (H, W) of the images in pixels, or (S, H, W) of volumes.
        region: side of square regions in pixels, those at the right and bottom may be smaller, of
            cubic ones in volumes, see :func:`sides_of`; or (h, w) native cells, where cell i covers
            the pixels floor(i H / h) to floor((i + 1) H / h), of volumes (S, h, w): each slice has
            cells of its own.
        offset: pixels by which the cells' edges are moved, so that the first and the last cell
            shrink or grow; half pixels are rounded down. Squares stay where they are.

    Returns:
        Region rows (H,) and region columns (W,), both int64; of volumes region layers (S,) before.

    Raises:
        ValueError: if a region is larger than the image, or is moved out of it.
    """
    if isinstance(region, int):
        if not 0 < region <= min(size[-2:]):
            raise ValueError(f"region: {region} px found, expected 1 to {min(size[-2:])}")
        sides = sides_of(size, region)
        return tuple(torch.arange(n) // side for n, side in zip(size, sides, strict=True))
    moved = math.ceil(offset - 0.5)
    edges = [
        torch.tensor([i * pixels // cells + moved for i in range(1, cells)], dtype=torch.int64)
        for pixels, cells in zip(size, region, strict=True)
    ]
    if any(len(e) and not 0 < e[0] <= e[-1] < n for e, n in zip(edges, size, strict=True)):
        raise ValueError(f"offset: {offset} px moves a cell of {region} out of the image {size}")
    return tuple(
        torch.bucketize(torch.arange(pixels), edge, right=True)
        for pixels, edge in zip(size, edges, strict=True)
    )


def region_of(regions: Regions) -> Tensor:
    """Return the index of each pixel's region, row by row: (H, W), of volumes (S, H, W) int64."""
    labels = torch.zeros((), dtype=torch.int64)
    for index in regions:
        labels = labels[..., None] * (int(index.max()) + 1) + index
    return labels


def region_means(maps: Tensor, region: int, padding: Padding = "none") -> Tensor:
    """Return the mean of each map over each region.

    Args:
        maps: (N, H, W), or (N, S, H, W) of volumes.
        region: side of the regions in pixels, see :func:`grid`.
        padding: regions cut by the border are averaged over the pixels that exist (``none``), or as
            if the image went on with zeros (``zeros``, thesis protocol).

    Returns:
        (N, L) float32, regions row by row. The sums are in float64, so that regions which are equal
        in exact arithmetic are tied and not ordered by rounding errors.
    """
    size = tuple(maps.shape[1:])
    averages = []
    for index, side in zip(grid(size, region), sides_of(size, region), strict=True):
        members = nn.functional.one_hot(index.to(maps.device)).T.double()
        count = members.sum(1, keepdim=True) if padding == "none" else side
        averages.append(members / count)
    means = averages[-2] @ maps.double() @ averages[-1].T
    if maps.ndim == 4:
        means = averages[0] @ means.flatten(2)
    return means.flatten(1).float()


def region_values(
    raw: Tensor, region: int | tuple[int, ...], size: tuple[int, ...], offset: float = 0.0
) -> Tensor:
    """Return the strict protocol's relevance of each region: (N, h, w) raw maps -> (N, L).

    Native cells keep their own value; square regions average the upsampled signed map, whose cells
    may be centred elsewhere (``offset``, see :func:`faithcam.core.views.upsampled`). Maps of
    volumes are (N, S, h, w).
    """
    if isinstance(region, int):
        return region_means(upsampled(raw, size, offset), region)
    return raw.flatten(1)
