"""Control: a Grad-CAM that adds up to the class score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import FLATTEN, Method

if TYPE_CHECKING:
    from torch import Tensor


def completed_gradcam(gradcam: Tensor, hirescam: Tensor) -> Tensor:
    """Return gradcam + (sum hirescam - sum gradcam) / Z: complete, with Grad-CAM's ranks.

    Args:
        gradcam: raw maps (N, h, w), of volumes (N, S, h, w).
        hirescam: raw maps of the same shape, which add up to the score.

    Returns:
        The raw signed maps, of the same shape.
    """
    cells = tuple(range(1, gradcam.ndim))
    return gradcam + (hirescam - gradcam).mean(cells, keepdim=True)


METHODS = {
    "completed_gradcam": Method(completed_gradcam, "docs/validity.md", heads=FLATTEN, volumes=True)
}
