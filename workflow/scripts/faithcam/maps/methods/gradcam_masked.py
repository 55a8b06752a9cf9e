"""Control: Grad-CAM without the cells that no score depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def gradcam_masked(gradcam: Tensor, gradients: Tensor) -> Tensor:
    """Return Grad-CAM where the class has any weight, 0 elsewhere.

    It is Grad-CAM where every cell has a weight. On a network that is blind to some of them
    (arXiv 2404.01964) what it leaves out is wrong, so a metric should prefer it to Grad-CAM.

    Args:
        gradcam: raw maps (N, h, w), of volumes (N, S, h, w).
        gradients: dy_c/dA, (N, K, h, w), of volumes (N, K, S, h, w), or (N, K, 1, 1) if it is the
            same in every cell.

    Returns:
        The raw signed maps, of Grad-CAM's shape.
    """
    return gradcam * (gradients != 0).any(1)


METHODS = {"gradcam_masked": Method(gradcam_masked, "docs/methods.md", volumes=True)}
