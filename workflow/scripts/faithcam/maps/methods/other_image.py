"""Control: another image's HiResCAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import FLATTEN, Method
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from torch import Tensor


def other_image(other_activations: Tensor, gradients: Tensor) -> Tensor:
    """Return the HiResCAM of other images for the classes that are explained here.

    Args:
        other_activations: A of the other images, (N, K, h, w).
        gradients: dy_c/dA of the classes explained here, (N, K, h, w).

    Returns:
        The raw signed maps (N, h, w).
    """
    return hirescam(other_activations, gradients)


METHODS = {"other_image": Method(other_image, "docs/validity.md", heads=FLATTEN, volumes=True)}
