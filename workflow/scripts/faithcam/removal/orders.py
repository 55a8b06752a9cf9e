"""Orders in which the regions of images are removed, and sums of what is removed."""

from collections.abc import Sequence

import torch
from torch import Tensor


def additive_drops(contributions: Tensor, order: Tensor) -> Tensor:
    """Return how far a sum of contributions falls while they are taken away, one after another.

    Args:
        contributions: of each region, (N, L).
        order: regions' indices, first removed first, (N, L).

    Returns:
        (N, L + 1) float64, the first 0.
    """
    removed = contributions.double().gather(1, order)
    # not cumsum, which is not deterministic on GPUs
    return removed @ removed.new_ones(order.shape[1], order.shape[1] + 1).triu(1)


def distinct(tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Return the tensors without repetitions, and where among them each one's equal is."""
    different: list[Tensor] = []
    places = []
    for tensor in tensors:
        equal = (i for i, other in enumerate(different) if torch.equal(tensor, other))
        places.append(next(equal, len(different)))
        if places[-1] == len(different):
            different.append(tensor)
    return different, places


def order_of(values: Tensor, tie_keys: Tensor | None = None) -> Tensor:
    """Return the regions' indices, most relevant first (MoRF).

    Args:
        values: relevance of each region, (N, L).
        tie_keys: distinct numbers (N, L) that order equal values; without them the lower index
            comes first (raster order, thesis protocol).

    Returns:
        (N, L) int64.
    """
    if tie_keys is None:
        return values.argsort(dim=1, descending=True, stable=True)
    shuffled = tie_keys.argsort(dim=1, stable=True)
    return shuffled.gather(
        1, values.gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    )


def tied_share(values: Tensor) -> Tensor:
    """Return the share of regions whose value another region of the map has too: (N, L) -> (N,)."""
    ordered = values.sort(1).values
    same = ordered[:, 1:] == ordered[:, :-1]
    none = same.new_zeros(len(same), 1)
    tied = torch.cat([none, same], 1) | torch.cat([same, none], 1)
    return tied.double().mean(1)
