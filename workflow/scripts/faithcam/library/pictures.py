"""Pictures of maps over their images."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faithcam.core import extras
from faithcam.core.errors import FaithcamError
from faithcam.core.views import normalised, scaled
from faithcam.library.bounds import Bounds

Picture = np.ndarray[Any, np.dtype[np.uint8]]


@extras.named()
def overlay(
    image: Tensor,
    map: Tensor,  # noqa: A002
    *,
    signed: bool = False,
    strength: float = 0.5,
    bounds: Any = None,
) -> Picture:
    """Return an image with its map laid over it, to be saved or shown.

    Args:
        image: (C, H, W), one or three channels.
        map: raw (h, w), or of any size.
        signed: whether to show what speaks against the class, too: blue, and red for it. Else the
            positive part alone, from dark to bright.
        strength: of the colours where the map is largest, 0 to 1.
        bounds: (low, high), the values of black and white, numbers or one per channel; the image's
            own smallest and largest, if not given.

    Returns:
        (H, W, 3) uint8.

    Raises:
        FaithcamError: if there is not one image and one map.

    Example:
        >>> import faithcam, torch
        >>> faithcam.overlay(torch.rand(3, 64, 64), torch.rand(2, 2)).shape
        (64, 64, 3)
    """
    from matplotlib import colormaps

    image, map = torch.as_tensor(image), torch.as_tensor(map)  # noqa: A001
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise FaithcamError(f"image: {tuple(image.shape)} found, expected (1 or 3, H, W)")
    if map.ndim != 2 or not bool(map.isfinite().all()):
        raise FaithcamError(f"map: {tuple(map.shape)} found, expected (h, w), finite")
    grey = _grey(image.detach().cpu().float(), bounds)
    raw, size = map.detach().cpu().float()[None], (image.shape[1], image.shape[2])
    if signed:
        view = normalised(raw, size)[0].numpy()
        colours, weight = colormaps["coolwarm"](view / 2 + 0.5), np.abs(view)
    else:
        view = scaled(raw, size)[0].numpy()
        colours, weight = colormaps["inferno"](view), view
    share = strength * weight[..., None]
    mixed = (1 - share) * grey + share * colours[..., :3]
    picture: Picture = (255 * mixed + 0.5).clip(0, 255).astype(np.uint8)
    return picture


def _grey(image: Tensor, bounds: Any) -> np.ndarray[Any, Any]:
    """Return an image (C, H, W) as (H, W, 3) in [0, 1]."""
    low, high = float(image.min()), float(image.max())
    limits = Bounds.of((low, high if high > low else low + 1) if bounds is None else bounds)
    shown = ((limits.to_unit(image[None])[0] + 1) / 2).clamp(0, 1).expand(3, -1, -1)
    array: np.ndarray[Any, Any] = shown.permute(1, 2, 0).numpy()
    return array


@extras.named()
def show(
    images: Tensor, maps: Mapping[str, Tensor] | Tensor, *, signed: bool = False, **options: Any
) -> Any:
    """Return a figure of images and their maps, a row each, which a notebook shows by itself.

    Args:
        images: (N, C, H, W), or one (C, H, W).
        maps: what :func:`faithcam.explain` returned for them.
        signed: see :func:`overlay`.
        **options: further ones of :func:`overlay`.

    Returns:
        A ``matplotlib.figure.Figure``; ``savefig`` keeps it.
    """
    from matplotlib.figure import Figure

    by_name = maps if isinstance(maps, Mapping) else {"map": maps}
    if images.ndim == 3:
        images, by_name = images[None], {name: raw[None] for name, raw in by_name.items()}
    for name, raw in by_name.items():
        if len(raw) != len(images):
            raise FaithcamError(
                f"maps: {name} has {len(raw)}, expected one for each of {len(images)}"
            )
    columns = 1 + len(by_name)
    figure: Any = Figure(figsize=(2.2 * columns, 2.3 * len(images)), layout="constrained")
    # without pyplot a notebook would show its name alone
    figure._repr_png_ = partial(_png, figure)
    axes = figure.subplots(len(images), columns, squeeze=False)
    blank = torch.zeros(1, 1)
    for row, image in enumerate(images):
        pictures = {"image": overlay(image, blank, **options)}
        for name, raw in by_name.items():
            pictures[name] = overlay(image, raw[row], signed=signed, **options)
        for axis, (name, picture) in zip(axes[row], pictures.items(), strict=True):
            axis.imshow(picture)
            axis.set_axis_off()
            if row == 0:
                axis.set_title(name, fontsize=9)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
