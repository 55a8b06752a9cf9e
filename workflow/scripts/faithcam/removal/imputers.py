"""Replacements of removed pixels: the strict protocol's imputers."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from faithcam.core.seeding import Noise
from faithcam.core.views import size_of
from faithcam.removal.grid import Regions
from faithcam.removal.imputers_spec import draws_of
from faithcam.removal.inpainting import inpainted

T = TypeVar("T")


def replacements(
    images: Tensor,
    imputer: str,
    noise: Noise,
    *,
    channels: int = 3,
    renderings: Sequence[Tensor] = (),
    backgrounds: Callable[[int], Tensor] | None = None,
    train_mean: Tensor | None = None,
    regions: Regions | None = None,
    replicate: int = 0,
    draws: int = 1,
) -> list[Tensor]:
    """Return what stands in place of removed pixels: the images' shape, one per draw.

    Args:
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        imputer: a name of :data:`faithcam.removal.imputers_spec.IMPUTERS`.
        noise: keyed random numbers of the images.
        channels: see :func:`replacement`, as the next four.
        renderings: see there.
        backgrounds: see there.
        train_mean: see there.
        regions: see there.
        replicate: of all draws.
        draws: of imputers that are drawn.
    """
    return [
        replacement(
            images,
            imputer,
            noise,
            draw,
            channels=channels,
            renderings=renderings,
            # draws of another replicate are other training images
            backgrounds=backgrounds and _after(backgrounds, replicate * draws),
            train_mean=train_mean,
            regions=regions,
            purpose=f"aopc strict {replicate}",
        )
        for draw in range(draws_of(imputer, draws))
    ]


def _after(backgrounds: Callable[[int], Tensor], first: int) -> Callable[[int], Tensor]:
    return lambda draw: backgrounds(first + draw)


def replacement(
    images: Tensor,
    imputer: str,
    noise: Noise,
    draw: int = 0,
    *,
    channels: int = 3,
    renderings: Sequence[Tensor] = (),
    backgrounds: Callable[[int], Tensor] | None = None,
    train_mean: Tensor | None = None,
    regions: Regions | None = None,
    purpose: str = "aopc strict 0",
) -> Tensor:
    """Return one draw of what stands in place of removed pixels, like the images.

    Args:
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        imputer: ``noise``, ``mean`` (colour of the image or volume), ``blur`` (Gaussian, sigma a
            16th of each side, of volumes of the slices too), ``background`` (training images),
            ``grey`` (0), ``train_mean``, ``inpainting`` (each region from all outside of it, see
            :func:`faithcam.removal.inpainting.inpainted`), or ``rerendered``: the image without its
            planted parts.
        noise: keyed random numbers of the images.
        draw: of ``noise`` or ``background``; all others are the same in every draw.
        channels: of the images' colours: 1 where all channels are alike, else C.
        renderings: of the images without their parts; the first one has none.
        backgrounds: training images of a draw, like the images.
        train_mean: mean of the training images, the shape of one image.
        regions: that will be replaced, which ``inpainting`` depends on, see
            :func:`faithcam.removal.grid.grid`.
        purpose: names the noise.

    Raises:
        ValueError: if what the imputer is made from is missing.
    """
    if imputer == "rerendered":
        return renderings[0]
    if imputer == "grey":
        return torch.zeros_like(images)
    if imputer == "background":
        return _given(backgrounds, "backgrounds", imputer)(draw)
    if imputer == "train_mean":
        return _given(train_mean, "train_mean", imputer).to(images).expand_as(images)
    if imputer == "inpainting":
        return inpainted(images, _given(regions, "regions", imputer), channels)
    if imputer == "mean":
        places = [axis for axis in range(1, images.ndim) if axis != images.ndim - 3]
        return images.mean(places, keepdim=True).expand_as(images)
    if imputer == "blur":
        return _blurred(images)
    shape = (*images.shape[1:-3], channels, *images.shape[-2:])
    return noise.symmetric(purpose, draw, shape).expand_as(images)


def _blurred(images: Tensor) -> Tensor:
    from scipy import ndimage

    size = size_of(images)
    sigma, axes = (size[-2] / 16, (images.ndim - 2, images.ndim - 1))
    smooth = ndimage.gaussian_filter(images.cpu().numpy(), sigma, axes=axes, mode="nearest")
    if len(size) == 3:
        smooth = ndimage.gaussian_filter1d(smooth, size[0] / 16, axis=1, mode="nearest")
    return torch.from_numpy(smooth).to(images.device)


def _given(value: T | None, name: str, imputer: str) -> T:
    """Return a value that an imputer needs."""
    if value is None:
        raise ValueError(f"{name}: none found, expected what the imputer {imputer} is made from")
    return value
