"""SmoothGrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Streams, normal
from faithcam.maps.method import Method
from faithcam.maps.pixels import cell_sums, explained, with_gradients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SAMPLES = 25
NOISE = 0.15  # standard deviation, in units of the image's range


def smoothgrad(
    model: Any,
    images: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore,
    cells: tuple[int, int],
    image_ids: Sequence[int],
    streams: Streams,
) -> Tensor:
    """Return sum over a cell's pixels of the mean of dy_c/dx at 25 noisy versions of the image.

    Normal noise, keyed by image and sample, of 15 % of max x - min x. It says where the score
    would react, not what contributes to it: it adds up to nothing.

    Takes and returns what :mod:`faithcam.maps.pixels` says, and the keys of the noise.

    Source: arXiv 1706.03825; gradients by captum.
    """
    import torch
    from captum.attr import Saliency

    spread = NOISE * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
    shape = tuple(images.shape[1:])
    total = torch.zeros_like(images, dtype=torch.float64)
    for draw in range(SAMPLES):
        uniform = streams.uniform(image_ids, "smoothgrad", draw, shape, images.device)
        noisy = images + spread * normal(uniform.to(images.device)).to(images.dtype)
        with with_gradients():
            gradient = Saliency(explained(model, explained_score)).attribute(
                noisy.clone().requires_grad_(),
                abs=False,
                additional_forward_args=classes.clone(),
            )
        total += gradient
    return cell_sums((total / SAMPLES).to(images.dtype), cells)


METHODS = {
    "smoothgrad": Method(
        smoothgrad, "arXiv 1706.03825", passes=lambda network: SAMPLES, backward=True
    )
}
