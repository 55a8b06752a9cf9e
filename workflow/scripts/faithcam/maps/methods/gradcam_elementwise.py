"""Grad-CAM, elementwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def gradcam_elementwise(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k relu(dy_c/dA_k * A_k): HiResCAM's positive summands alone.

    It has no signed version: the ReLU stands inside the sum. It shows no evidence against the
    class, and for A >= 0 it is LayerCAM.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes.
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw maps (N, h, w) or (N, S, h, w), not negative.

    Source: GradCAMElementWise of the package grad-cam 1.5.7; there is no paper.
    """
    return (gradients * activations).clamp(min=0).sum(1)


METHODS = {"gradcam_elementwise": Method(gradcam_elementwise, "grad-cam 1.5.7", volumes=True)}
