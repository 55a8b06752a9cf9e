"""LayerCAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k relu(dy_c/dA_k) * A_k, elementwise, without a further ReLU.

    It is HiResCAM without its negative weights. Assumes A >= 0: then what is left out is what
    speaks against the class.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes.
        gradients: dy_c/dA, of the same shape, or (N, K, 1, 1) if it is the same in every cell.

    Returns:
        The raw maps (N, h, w) or (N, S, h, w), not negative if A is not.

    Source: 10.1109/TIP.2021.3089943.
    """
    return (gradients.clamp(min=0) * activations).sum(1)


METHODS = {
    "layercam": Method(
        layercam,
        "10.1109/TIP.2021.3089943",
        volumes=True,
        caveat="keeps positive gradients as evidence for the class, which presumes activations >= "
        "0; here their product can be negative",
    )
}
