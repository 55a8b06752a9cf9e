"""Baseline: the edges of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def sobel(images: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return the Sobel gradient magnitude of the grey image, averaged over each cell: (N, h, w)."""
    import torch
    import torch.nn.functional as F

    horizontal = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([horizontal, horizontal.T])[:, None]
    grey = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    magnitude = F.conv2d(grey, kernels).square().sum(1, keepdim=True).sqrt()
    return F.adaptive_avg_pool2d(magnitude, cells)[:, 0]


METHODS = {"sobel": Method(sobel, "docs/validity.md")}
