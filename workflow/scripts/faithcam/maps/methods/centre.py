"""Baseline: the middle of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def centre(images: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return a Gaussian around the centre, sigma = a quarter of the side: (N, h, w)."""
    import torch

    rows, columns = (
        torch.exp(-0.5 * (((torch.arange(n, device=images.device) + 0.5) / n - 0.5) / 0.25) ** 2)
        for n in cells
    )
    return (rows[:, None] * columns).expand(len(images), -1, -1).clone()


METHODS = {"centre": Method(centre, "docs/validity.md")}
