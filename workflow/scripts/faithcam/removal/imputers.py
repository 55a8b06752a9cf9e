"""Replacements of removed pixels: the strict protocol's imputers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.seeding import Noise
from faithcam.core.views import size_of


def replacements(
    images: Tensor,
    imputer: str,
    noise: Noise,
    *,
    channels: int = 3,
    renderings: Sequence[Tensor] = (),
    replicate: int = 0,
    draws: int = 1,
) -> list[Tensor]:
    """Return what stands in place of removed pixels: the images' shape, one per draw.

    Args:
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        imputer: ``noise``, ``mean`` (colour of the image or volume), ``blur`` (Gaussian, sigma a
            16th of each side, of volumes of the slices too), or ``rerendered``: the image without
            its planted parts.
        noise: keyed random numbers of the images.
        channels: of the images' colours: 1 where all channels are alike, else C.
        renderings: of the images without their parts; the first one has none.
        replicate: of noise.
        draws: of noise.
    """
    if imputer == "rerendered":
        return [renderings[0]]
    if imputer == "mean":
        places = [axis for axis in range(1, images.ndim) if axis != images.ndim - 3]
        return [images.mean(places, keepdim=True).expand_as(images)]
    if imputer == "blur":
        from scipy import ndimage

        size = size_of(images)
        sigma, axes = (size[-2] / 16, (images.ndim - 2, images.ndim - 1))
        smooth = ndimage.gaussian_filter(images.cpu().numpy(), sigma, axes=axes, mode="nearest")
        if len(size) == 3:
            smooth = ndimage.gaussian_filter1d(smooth, size[0] / 16, axis=1, mode="nearest")
        return [torch.from_numpy(smooth).to(images.device)]
    shape = (*images.shape[1:-3], channels, *images.shape[-2:])
    return [
        noise.symmetric(f"aopc strict {replicate}", draw, shape).expand_as(images)
        for draw in range(draws)
    ]
