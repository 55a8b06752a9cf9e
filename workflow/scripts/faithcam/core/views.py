"""Views of raw maps: what a metric looks at."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

View = Literal["signed", "scaled"]
Size = int | tuple[int, ...]


def size_of(images: Tensor) -> tuple[int, ...]:
    """Return (H, W) of images (N, C, H, W), (S, H, W) of volumes (N, S, C, H, W)."""
    return (*images.shape[1:-3], *images.shape[-2:])


def masked(images: Tensor, maps: Tensor) -> Tensor:
    """Return images (N, C, H, W) times maps (N, H, W); volumes times maps (N, S, H, W)."""
    return images * maps.unsqueeze(-3)


def upsampled(maps: Tensor, size: Size, offset: float = 0.0) -> Tensor:
    """Return maps (N, h, w) resized bilinearly to (N, H, W), half-pixel centres.

    With an ``offset`` the cells' centres lie so many pixels to the right of (below) these places.
    Of volumes each slice is resized: (N, S, h, w) -> (N, S, H, W).
    """
    height, width = (size, size) if isinstance(size, int) else size[-2:]
    if maps.ndim == 4:
        slices = upsampled(maps.flatten(0, 1), (height, width), offset)
        return slices.view(*maps.shape[:2], height, width)
    if offset:
        rows = _interpolation(maps.shape[1], height, offset).to(maps)
        columns = _interpolation(maps.shape[2], width, offset).to(maps)
        return rows @ maps @ columns.T
    return F.interpolate(
        maps[:, None], (height, width), mode="bilinear", align_corners=False, antialias=False
    )[:, 0]


def centred_on_fields(maps: Tensor, offset: float, size: tuple[int, ...]) -> Tensor:
    """Return maps (N, h, w), or (N, S, h, w), read on their own grid where their cells look.

    Half-pixel upsampling puts a cell in the middle of its pixels; its receptive field is centred
    ``offset`` pixels further. What a cell says is moved there, and the grid read again.

    Args:
        maps: raw.
        offset: see :class:`faithcam.models.architecture.Architecture`.
        size: (H, W) of the images in pixels, of volumes (S, H, W).
    """
    return upsampled(maps, tuple(maps.shape[-2:]), offset * maps.shape[-1] / size[-1])


def _interpolation(cells: int, pixels: int, offset: float) -> Tensor:
    """Return the weight of each cell at each pixel, (pixels, cells); at the border they repeat."""
    places = (torch.arange(pixels).double() - offset + 0.5) * cells / pixels - 0.5
    distances = places.clamp(0, cells - 1)[:, None] - torch.arange(cells)
    return (1 - distances.abs()).clamp(min=0)


def _min_max(maps: Tensor) -> Tensor:
    cells = tuple(range(1, maps.ndim))
    shifted = maps - maps.amin(cells, keepdim=True)
    return shifted / (1e-7 + shifted.amax(cells, keepdim=True))


def scaled(maps: Tensor, size: Size, offset: float = 0.0) -> Tensor:
    """Return the view that pytorch-grad-cam returns: ReLU, min-max, bilinear, min-max.

    Args:
        maps: raw maps (N, h, w), or (N, S, h, w) of volumes.
        size: of the images, pixels; of volumes that of a slice, or (S, H, W).
        offset: of the cells' centres, pixels, see :func:`upsampled`.

    Returns:
        (N, H, W) or (N, S, H, W) in [0, 1]; blank and constant maps are 0. Smallest and largest
        values are those of the whole volume.
    """
    return _min_max(upsampled(_min_max(maps.clamp(min=0)), size, offset))


def normalised(maps: Tensor, size: Size) -> Tensor:
    """Return upsampled raw maps divided by their largest absolute value: (N, H, W) in [-1, 1].

    Of volumes (N, S, H, W); the largest value is that of the whole volume.

    A map that is zero everywhere stays zero.
    """
    large = upsampled(maps, size)
    peak = large.abs().amax(tuple(range(1, large.ndim)), keepdim=True)
    return large / torch.where(peak == 0, 1, peak)


def statuses(maps: Tensor, view: View) -> list[str]:
    """Return ``ok``, ``blank_map`` or ``undefined`` for each raw map (N, h, w) or (N, S, h, w).

    ``blank_map``: zero everywhere in the view. ``undefined``: constant, or not finite somewhere, so
    that ranks mean nothing.
    """
    seen = (maps.clamp(min=0) if view == "scaled" else maps).flatten(1)
    blank = (seen == 0).all(1).tolist()
    constant = ((seen.amax(1) == seen.amin(1)) | ~maps.flatten(1).isfinite().all(1)).tolist()
    return [
        "blank_map" if b else "undefined" if c else "ok"
        for b, c in zip(blank, constant, strict=True)
    ]
