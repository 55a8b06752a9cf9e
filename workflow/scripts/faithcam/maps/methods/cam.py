"""Class activation mapping (CAM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import GAP, Method

if TYPE_CHECKING:
    from torch import Tensor


def cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k w_ck A_k of a network with global average pooling.

    There w_ck = Z dy_c/dA_k with Z = h w (of volumes S h w), because y_c = sum_k w_ck mean_ij(A_k)
    + b_c.

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w).
        gradients: dy_c/dA, (N, K, 1, 1): the same in every cell.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Source: arXiv 1512.04150, eq. 2.
    """
    cells = activations.shape[2:].numel()
    return (gradients * cells * activations).sum(1)


METHODS = {
    "cam": Method(
        cam, "arXiv 1512.04150", heads=GAP, linear=True, volumes=True, same_with_gap=True
    ),
}
