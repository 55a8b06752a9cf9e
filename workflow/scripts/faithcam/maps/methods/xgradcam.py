"""XGrad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k w_k A_k with w_k = sum_ij g_kij A_kij / sum_ij A_kij, g = dy_c/dA, without ReLU.

    The map adds up to sum g A as HiResCAM's does, so it is complete where that is. A channel that
    adds up to 0 has the weight 0.

    Assumes that no channel with entries adds up to (nearly) 0, as is the case for A >= 0.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes.
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Source: arXiv 2008.02312.
    """
    cells = tuple(range(2, activations.ndim))
    total = activations.sum(cells, keepdim=True)
    contributed = (gradients * activations).sum(cells, keepdim=True)
    weights = (contributed / total).masked_fill(total == 0, 0)
    return (weights * activations).sum(1)


METHODS = {
    "xgradcam": Method(
        xgradcam,
        "arXiv 2008.02312",
        volumes=True,
        caveat="divides by the sum of each channel; here it can be near 0, and the weight huge",
    )
}
