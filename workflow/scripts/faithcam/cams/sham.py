"""Sham HiResCAM: its weights, on other cells."""

import torch
from torch import Tensor

from faithcam.cams.hirescam import hirescam


def sham(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k P(dy_c/dA_k) * A_k, averaged over the seven symmetries P of the square but one.

    The identity is left out. The gradient keeps its mean over the cells, so that Grad-CAM is the
    same.

    Args:
        activations: A, (N, K, h, w) with h = w.
        gradients: dy_c/dA, (N, K, h, w).

    Returns:
        The raw signed maps (N, h, w).

    Raises:
        ValueError: if the cells do not form a square.
    """
    height, width = activations.shape[2:]
    if height != width:
        raise ValueError(f"sham: {height} x {width} cells found, expected as many rows as columns")
    turned = [gradients.rot90(quarters, (2, 3)) for quarters in range(4)]
    others = [*turned[1:], *(part.flip(3) for part in turned)]
    return hirescam(activations, torch.stack(others).mean(0))
