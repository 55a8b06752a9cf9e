"""Random flips and rotations of training images."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def rigid_motions(
    count: int, flips: Sequence[str], rotation: float, random: np.random.Generator
) -> Tensor:
    """Return one random flip and rotation per image, as ``affine_grid`` takes it.

    Args:
        count: n, how many.
        flips: any of ``horizontal`` and ``vertical``, each with probability one half.
        rotation: angles are uniform in +- this many degrees.
        random: an epoch's generator.

    Returns:
        (n, 2, 3) float32.
    """
    angle = np.deg2rad(random.uniform(-rotation, rotation, count))
    coins = np.where(random.random((2, count)) < 0.5, -1, 1)
    x = coins[0] if "horizontal" in flips else np.ones(count)
    y = coins[1] if "vertical" in flips else np.ones(count)
    zero = np.zeros(count)
    rows = [
        [np.cos(angle) * x, -np.sin(angle) * y, zero],
        [np.sin(angle) * x, np.cos(angle) * y, zero],
    ]
    return torch.from_numpy(np.array(rows, dtype=np.float32)).permute(2, 0, 1)


def moved(images: Tensor, motions: Tensor) -> Tensor:
    """Return images (N, C, H, W) moved by (N, 2, 3); what comes in repeats the border.

    All slices of a volume (N, S, C, H, W) move alike.
    """
    flat = images.flatten(1, -3)
    grid = F.affine_grid(motions, list(flat.shape), align_corners=False)
    out: Tensor = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return out.reshape(images.shape)
