"""Expected HiResCAM and Grad-CAM: the maps less what they show on average.

Where the logits are linear in A, HiResCAM less its mean over training images is exactly the
interventional Shapley value of the cells of A, whatever the network below. The mean takes the
baseline's place, as in Expected Gradients, arXiv 1906.10670.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method
from faithcam.maps.methods.gradcam import gradcam
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from torch import Tensor


def expected_hirescam(activations: Tensor, gradients: Tensor, mean_activations: Tensor) -> Tensor:
    """Return sum_k dy_c/dA_k * (A_k - E[A_k]).

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w).
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.
        mean_activations: E[A] over the training split, (K, h, w) or (K, S, h, w).

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).
    """
    return hirescam(activations - mean_activations, gradients)


def expected_gradcam(activations: Tensor, gradients: Tensor, mean_activations: Tensor) -> Tensor:
    """Return sum_k mean_ij(dy_c/dA_k) (A_k - E[A_k]), arguments as above: (N, h, w)."""
    return gradcam(activations - mean_activations, gradients)


METHODS = {
    function.__name__: Method(function, "docs/methods.md", linear=True, volumes=True)
    for function in (expected_hirescam, expected_gradcam)
}
