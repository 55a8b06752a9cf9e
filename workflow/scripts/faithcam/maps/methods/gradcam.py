"""Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k mean_ij(dy_c/dA_k) A_k, without ReLU; in volumes the mean is over slices too.

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w).
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Source: arXiv 1610.02391, eqs. 1 and 2.
    """
    return (gradients.mean(tuple(range(2, gradients.ndim)), keepdim=True) * activations).sum(1)


METHODS = {"gradcam": Method(gradcam, "arXiv 1610.02391", same_with_gap=True, volumes=True)}
