"""Ablation-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def ablationcam(activations: Tensor, gradients: Tensor, scores: Tensor) -> Tensor:
    """Return sum_k w_k A_k with w_k = (y - y_k) / |y|, y_k the score without channel k, no ReLU.

    In closed form: the logits of the networks here are linear in A, so setting A_k to zero lowers y
    by exactly sum_ij g_kij A_kij with g = dy/dA, and no pass is needed.

    The paper divides by y. Its sign would turn the whole map where y < 0, so it is left out; a
    score of 0 counts as 1.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes.
        gradients: dy/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.
        scores: y, (N,).

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Source: 10.1109/WACV45572.2020.9093360.
    """
    cells = tuple(range(2, activations.ndim))
    falls = (gradients * activations).sum(cells, keepdim=True)
    size = scores.abs().masked_fill(scores == 0, 1)
    return (falls / size.view(-1, *[1] * (falls.ndim - 1)) * activations).sum(1)


METHODS = {
    "ablationcam": Method(
        ablationcam,
        "10.1109/WACV45572.2020.9093360",
        linear=True,
        volumes=True,
        caveat="takes a channel away by setting it to 0, which presumes that 0 is inactive; here "
        "channels have negative entries",
    )
}
