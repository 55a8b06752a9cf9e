"""Eigen-Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method
from faithcam.maps.methods.eigencam import first_component
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from torch import Tensor


def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return the cells' first principal component of dy_c/dA * A, each channel centred over cells.

    The decomposition leaves the sign open: the map has the sign that correlates with HiResCAM, the
    sum of the same features over channels, not negatively. A map adds up to 0.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes.
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Source: EigenGradCAM of the package grad-cam 1.5.7, whose sign is arbitrary; there is no paper.
    """
    features = gradients * activations
    cells = tuple(range(2, features.ndim))
    projected = first_component(features - features.mean(cells, keepdim=True))
    faithful = hirescam(activations, gradients)
    along = (projected * faithful).sum(tuple(range(1, faithful.ndim)), keepdim=True)
    return projected.where(along >= 0, -projected)


METHODS = {"eigengradcam": Method(eigengradcam, "grad-cam 1.5.7", volumes=True)}
