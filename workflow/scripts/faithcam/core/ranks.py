"""Ranks of the cells of maps, and how alike those of two maps are."""

import torch
from torch import Tensor


def ranks(maps: Tensor) -> Tensor:
    """Return the average ranks of the cells of each map: (N, *cells) -> (N, L) float64.

    NaN where a map is not finite: it has no order.
    """
    flat = maps.flatten(1)
    larger = flat[:, :, None] > flat[:, None, :]
    equal = flat[:, :, None] == flat[:, None, :]
    averages = larger.sum(2).double() + (equal.sum(2).double() + 1) / 2
    return torch.where(flat.isfinite().all(1, keepdim=True), averages, torch.nan)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's correlation of each pair of rank rows (N, L); NaN where one is constant."""
    return correlation(a, b)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation of each pair of rows (N, L); NaN where one is constant."""
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()
