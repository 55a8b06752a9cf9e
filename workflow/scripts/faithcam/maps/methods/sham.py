"""Sham HiResCAM: HiResCAM's weights and statistics without its pairing of cell and weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.core import seeding
from faithcam.maps.method import FLATTEN, Method
from faithcam.maps.methods.hirescam import hirescam

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from faithcam.core.seeding import Streams


def sham(
    activations: Tensor, gradients: Tensor, image_ids: Sequence[int], streams: Streams
) -> Tensor:
    """Return sum_k P(dy_c/dA_k) * A_k, where P is one symmetry of the square, not the identity.

    Every P keeps a channel's weights but for their places: their norm and their mean over the
    cells, and so Grad-CAM. A mean over symmetries would not: it shrinks what varies over space.

    Args:
        activations: A, (N, K, h, w) or (N, K, S, h, w) with h = w.
        gradients: dy_c/dA, of the same shape; each slice is turned for itself.
        image_ids: of the images, N.
        streams: of the network; they choose P for each image.

    Returns:
        The raw signed maps (N, h, w) or (N, S, h, w).

    Raises:
        ValueError: if the cells are no square.
    """
    import torch

    height, width = activations.shape[-2:]
    if height != width:
        raise ValueError(f"sham: {height} x {width} cells found, expected as many rows as columns")
    chosen = [int(streams.generator(i, "sham symmetry").integers(1, 8)) for i in image_ids]
    turned = [_moved(part, number) for part, number in zip(gradients, chosen, strict=True)]
    return hirescam(activations, torch.stack(turned))


def _moved(weights: Tensor, symmetry: int) -> Tensor:
    """Return weights (..., n, n) turned by quarters, and mirrored from number 4 on."""
    turned = weights.rot90(symmetry % 4, (-2, -1))
    return turned.flip(-1) if symmetry >= 4 else turned


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
