"""Inpainting: every region of an image as its surroundings alone would have it.

Source: Bertalmio et al. 2001, 10.1109/CVPR.2001.990497 (Navier-Stokes), by OpenCV. OpenCV's other
algorithm, Telea's, adds up to two grey levels of rounding noise where the image is flat.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faithcam.removal.grid import Regions, region_of

RADIUS = 3  # px, around a pixel, of what it is made from
MARGIN = 2 * RADIUS  # px, around a region: what is farther away changes nothing


def inpainted(images: Tensor, regions: Regions, channels: int = 3) -> Tensor:
    """Return what inpainting makes of each region from everything outside of it.

    One region is missing at a time, so none is made from what replaces another one. Slices of
    volumes are inpainted each by itself. OpenCV takes 8 bits: images that come from 8 bits lose
    nothing, values in between are rounded.

    Args:
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W); C is 1 or 3.
        regions: see :func:`faithcam.removal.grid.grid`.
        channels: of the images' colours: 1 where all channels are alike, else C.

    Returns:
        Like the images, with values of 8 bits in [-1, 1].

    Raises:
        ValueError: if a region is the whole image.
    """
    import cv2

    labels = region_of(regions[-2:]).numpy()
    if not labels.any():
        raise ValueError("regions: one found, the whole image; expected something outside of it")
    windows = [_window(labels == region) for region in range(labels.max() + 1)]
    bits = ((images[..., :channels, :, :].cpu() + 1) * 127.5).round().to(torch.uint8)
    pixels = np.ascontiguousarray(bits.flatten(0, -4).movedim(1, -1).numpy())
    filled = np.empty_like(pixels)
    for image, result in zip(pixels, filled, strict=True):
        for rows, columns, missing in windows:
            part = image[rows, columns].copy()
            # OpenCV lets a little of what it replaces through: that must not be the region itself
            part[missing] = part[~missing].mean(0).round()
            made = cv2.inpaint(part, missing.astype(np.uint8), RADIUS, cv2.INPAINT_NS)
            result[rows, columns][missing] = made.reshape(part.shape)[missing]
    values = torch.from_numpy(filled).movedim(-1, 1).reshape(bits.shape) / 127.5 - 1
    return values.to(images).expand_as(images)


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice, NDArray[np.bool_]]:
    """Return the rows and columns of a region (H, W) and its margin, and the region in them."""
    rows, columns = (
        slice(max(0, at[0] - MARGIN), at[-1] + 1 + MARGIN)
        for at in (np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0)))
    )
    return rows, columns, mask[rows, columns]
