"""The template: what HiResCAM shows of every image of a class, and maps without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import FLATTEN, Method
from faithcam.maps.methods.gradcam import gradcam
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from torch import Tensor


def template(mean_activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k dy_c/dA_k * E[A_k], which depends on the class alone.

    Args:
        mean_activations: E[A] over the validation split, (K, h, w); cells keep their place.
        gradients: dy_c/dA, (N, K, h, w).

    Returns:
        The raw signed maps (N, h, w).
    """
    return hirescam(mean_activations, gradients)


def hirescam_minus_template(
    activations: Tensor, gradients: Tensor, mean_activations: Tensor
) -> Tensor:
    """Return sum_k dy_c/dA_k * (A_k - E[A_k]), arguments as above: (N, h, w)."""
    return hirescam(activations - mean_activations, gradients)


def gradcam_minus_template(
    activations: Tensor, gradients: Tensor, mean_activations: Tensor
) -> Tensor:
    """Return sum_k mean_ij(dy_c/dA_k) (A_k - E[A_k]), arguments as above: (N, h, w)."""
    return gradcam(activations - mean_activations, gradients)


METHODS = {
    function.__name__: Method(function, "docs/validity.md", heads=FLATTEN, volumes=True)
    for function in (template, hirescam_minus_template, gradcam_minus_template)
}
