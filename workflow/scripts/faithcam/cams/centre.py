"""Baseline: the middle of the image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.seeding import Streams


def centre(
    images: Tensor, cells: tuple[int, int], image_ids: Sequence[int], streams: Streams
) -> Tensor:
    """Return a Gaussian around the centre, sigma = a quarter of the side: (N, h, w)."""
    rows, columns = (
        torch.exp(-0.5 * (((torch.arange(n, device=images.device) + 0.5) / n - 0.5) / 0.25) ** 2)
        for n in cells
    )
    return (rows[:, None] * columns).expand(len(images), -1, -1).clone()
