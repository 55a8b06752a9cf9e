"""Baseline: the brightness of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def intensity(images: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return the grey image averaged over each cell: (N, h, w)."""
    import torch.nn.functional as F

    return F.adaptive_avg_pool2d(images.mean(1, keepdim=True), cells)[:, 0]


METHODS = {"intensity": Method(intensity, "docs/validity.md")}
