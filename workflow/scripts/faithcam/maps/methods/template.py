"""The template: what HiResCAM shows of every image of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import FLATTEN, Method
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from torch import Tensor


def template(mean_activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k dy_c/dA_k * E[A_k], which depends on the class alone.

    Args:
        mean_activations: E[A] over the training split, (K, h, w); cells keep their place.
        gradients: dy_c/dA, (N, K, h, w).

    Returns:
        The raw signed maps (N, h, w).
    """
    return hirescam(mean_activations, gradients)


METHODS = {"template": Method(template, "docs/validity.md", heads=FLATTEN, volumes=True)}
