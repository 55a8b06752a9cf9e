"""Grad-CAM++."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def gradcamplusplus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k w_k A_k with w_k = sum_ij alpha_kij relu(g_kij), g = dy_c/dA, without ReLU.

    With the class score exp(y_c) of the paper alpha = g^2 / (2 g^2 + g^3 sum_ab A_kab), which is
    1 / (2 + g sum_ab A_kab), and 0 where g = 0. The weights' common factor exp(y_c) is left out.

    Assumes A >= 0: then the denominator is at least 2 wherever relu(g) is not 0.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes.
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw maps (N, h, w) or (N, S, h, w), not negative if A is not.

    Source: arXiv 1710.11063.
    """
    cells = tuple(range(2, activations.ndim))
    everywhere = gradients.expand_as(activations)
    total = activations.sum(cells, keepdim=True)
    weights = (everywhere.clamp(min=0) / (2 + everywhere * total)).sum(cells, keepdim=True)
    return (weights * activations).sum(1)


METHODS = {
    "gradcamplusplus": Method(
        gradcamplusplus,
        "arXiv 1710.11063",
        volumes=True,
        caveat="presumes activations >= 0; here its weights' denominator 2 + g sum A can vanish or "
        "be negative",
    )
}
