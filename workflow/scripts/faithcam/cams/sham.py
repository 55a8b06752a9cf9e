"""Sham HiResCAM: HiResCAM's weights and statistics without its pairing of cell and weight."""

import torch
from torch import Tensor

from faithcam.cams.hirescam import hirescam


def sham(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k P(dy_c/dA_k) * A_k, averaged over the square's seven symmetries P but identity.

    Every P keeps the gradient's mean over the cells, so Grad-CAM is the same.

    Args:
        activations: A, (N, K, h, w) with h = w.
        gradients: dy_c/dA, (N, K, h, w).

    Returns:
        The raw signed maps (N, h, w).
    """
    turned = [gradients.rot90(quarters, (2, 3)) for quarters in range(4)]
    others = [*turned[1:], *(part.flip(3) for part in turned)]
    return hirescam(activations, torch.stack(others).mean(0))
