"""Eigen-Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.cams.eigencam import first_component
from faithcam.cams.hirescam import hirescam
from faithcam.cams.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return the cells' first principal component of dy_c/dA * A, each channel centred over cells.

    The decomposition leaves the sign open: the map has the sign that correlates with HiResCAM, the
    sum of the same features over channels, not negatively. A map adds up to 0.

    Args:
        activations: A, (N, K, h, w).
        gradients: dy_c/dA, (N, K, h, w), or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw signed maps (N, h, w).

    Source: EigenGradCAM of the package grad-cam 1.5.7, whose sign is arbitrary; there is no paper.
    """
    features = gradients * activations
    projected = first_component(features - features.mean((2, 3), keepdim=True))
    along = (projected * hirescam(activations, gradients)).sum((1, 2), keepdim=True)
    return projected.where(along >= 0, -projected)


METHODS = {"eigengradcam": Method(eigengradcam, "grad-cam 1.5.7")}
