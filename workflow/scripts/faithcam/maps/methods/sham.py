"""Sham HiResCAM: HiResCAM's weights and statistics without its pairing of cell and weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.core import seeding
from faithcam.maps.method import FLATTEN, Method
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from torch import Tensor

    from faithcam.core.seeding import Streams


def sham(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return sum_k P(dy_c/dA_k) * A_k, averaged over the square's seven symmetries P but identity.

    Every P keeps the gradient's mean over the cells, so Grad-CAM's weights are the same.

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w) with h = w.
        gradients: dy_c/dA, of the same shape; each slice is turned for itself.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Raises:
        ValueError: if the cells are no square.
    """
    import torch

    height, width = activations.shape[-2:]
    if height != width:
        raise ValueError(f"sham: {height} x {width} cells found, expected as many rows as columns")
    turned = [gradients.rot90(quarters, (-2, -1)) for quarters in range(4)]
    others = [*turned[1:], *(part.flip(-1) for part in turned)]
    return hirescam(activations, torch.stack(others).mean(0))


def sham_permuted(activations: Tensor, gradients: Tensor, streams: Streams) -> Tensor:
    """Return sum_k P(dy_c/dA_k) * A_k, where P is a network's keyed permutation of the cells.

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w).
        gradients: dy_c/dA, of the same shape.
        streams: of the network; all its images have the same permutation.

    Returns:
        The raw signed maps (N, h, w).
    """
    import torch

    flat = gradients.flatten(2)
    key = (streams.seed, streams.dataset, streams.model, "sham permutation")
    order = torch.from_numpy(seeding.generator(*key).permutation(flat.shape[2]))
    return hirescam(activations, flat[:, :, order.to(flat.device)].reshape(gradients.shape))


METHODS = {
    "sham": Method(sham, "docs/validity.md", heads=FLATTEN, volumes=True),
    "sham_permuted": Method(sham_permuted, "docs/validity.md", heads=FLATTEN, volumes=True),
}
