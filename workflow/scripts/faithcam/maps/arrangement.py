"""Arrangements of values: the same histogram, other places."""

import torch
from torch import Tensor


def _standardised(maps: Tensor) -> Tensor:
    centred = maps - maps.mean((1, 2), keepdim=True)
    spread = centred.square().mean((1, 2), keepdim=True).sqrt()
    return centred / torch.where(spread == 0, 1, spread)


def mixed(maps: Tensor, noise: Tensor, share: float) -> Tensor:
    """Return (1 - share) z(maps) + share z(noise), z: mean 0, standard deviation 1 over the cells.

    Args:
        maps: (N, h, w).
        noise: maps (N, h, w).
        share: of the noise, 0 to 1.
    """
    return (1 - share) * _standardised(maps) + share * _standardised(noise)


def rearranged(values: Tensor, like: Tensor) -> Tensor:
    """Return the values of some maps in the arrangement of others.

    Args:
        values: maps (N, h, w) whose histograms are kept.
        like: maps (N, h, w) whose ranks are taken over; equal ones in raster order.
    """
    order = like.flatten(1).argsort(dim=1, stable=True)
    result = torch.zeros_like(values.flatten(1))
    return result.scatter(1, order, values.flatten(1).sort(1).values).reshape(values.shape)
