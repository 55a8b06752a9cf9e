"""Eigen-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def first_component(features: Tensor) -> Tensor:
    """Return F v of F (h w, K), the cells' features, and its first right singular vector v.

    It is s u with the first singular value s and left singular vector u, computed in float64 from
    the eigenvectors of F F^T, (h w, h w). Its sign is arbitrary: callers decide it.

    Args:
        features: (N, K, h, w), or (N, K, S, h, w) of volumes.

    Returns:
        (N, h, w) or (N, S, h, w).
    """
    import torch

    cells = features.flatten(2).double()
    values, vectors = torch.linalg.eigh(cells.transpose(1, 2) @ cells)
    projected: Tensor = vectors[:, :, -1] * values[:, -1:].clamp(min=0).sqrt()
    return projected.reshape(features[:, 0].shape).to(features.dtype)


def eigencam(activations: Tensor) -> Tensor:
    """Return the projection of the cells' activations on their first right singular vector.

    The decomposition leaves the sign open: the map adds up to a number that is not negative. For
    A >= 0 all its cells are then not negative (Perron and Frobenius). It depends on no class, and
    so has no gauge.

    Args:
        activations: A, (N, K, h, w), or (N, K, S, h, w) of volumes, not centred.

    Returns:
        The raw maps (N, h, w) or (N, S, h, w).

    Source: arXiv 2008.00299.
    """
    projected = first_component(activations)
    against = projected.sum(tuple(range(1, projected.ndim)), keepdim=True) < 0
    return projected.where(~against, -projected)


METHODS = {
    "eigencam": Method(
        eigencam,
        "arXiv 2008.00299",
        volumes=True,
        caveat="its sign makes strong activations positive, which presumes activations >= 0; here "
        "the map may take both signs",
    )
}
