"""Permutations of an image's cells: keyed pairs of orders, and what each cell takes along.

Of keyed orders, in which cells are removed one after another, Shapley values are means.

Source: Castro et al. 2009, 10.1016/j.cor.2008.04.004; pairs: Mitchell et al. 2022,
jmlr.org/papers/v23/21-0439.html.
"""

import torch
from torch import Tensor

from faithcam.core.seeding import Noise
from faithcam.removal.engine import Removal
from faithcam.removal.grid import Regions


def orders_of(noise: Noise, purpose: str, pair: int, cells: int) -> Tensor:
    """Return each image's orders of its cells of an antithetic pair, the second one reversed.

    Args:
        noise: keyed random numbers of the images.
        purpose: names the orders.
        pair: its number, from 0.
        cells: how many there are, L.

    Returns:
        (N, 2, L).
    """
    order = noise.uniform(purpose, pair, (cells,)).argsort(dim=1, stable=True)
    return torch.stack([order, order.flip(1)], 1)


def gains(
    removal: Removal, image: Tensor, orders: Tensor, regions: Regions, references: Tensor
) -> Tensor:
    """Return how far each logit falls when each cell of one image is removed, in some orders.

    Args:
        removal: the network's evaluator.
        image: (C, H, W).
        orders: cells, first removed first, (P, L).
        regions: the cells' pixels, see :func:`faithcam.removal.grid.grid`.
        references: what a removed cell shows, of each order, (P, C, H, W), or (1, C, H, W).

    Returns:
        Of each cell, row by row, (P, L, classes) float64.
    """
    images, fills = (
        part.expand(len(orders), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for part in (image, references)
    )
    steps = removal.logits(images, [orders], regions, [fills])[0, 0].double()
    falls = steps[:, :-1] - steps[:, 1:]
    return falls.take_along_dim(orders.argsort(1)[..., None], 1)
