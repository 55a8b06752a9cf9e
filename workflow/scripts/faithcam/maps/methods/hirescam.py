"""HiResCAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k dy_c/dA_k * A_k, elementwise, without ReLU.

    Where the logits are linear in A the map adds up to y_c - b_c.

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w).
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Source: arXiv 2011.08891, eq. 3.
    """
    return (gradients * activations).sum(1)


METHODS = {"hirescam": Method(hirescam, "arXiv 2011.08891", volumes=True, same_with_gap=True)}
