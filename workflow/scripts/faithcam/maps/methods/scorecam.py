"""Score-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faithcam.core.explained import ExplainedScore
from faithcam.core.explained import scores as explained
from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def channel_logits(model: Any, images: Tensor, activations: Tensor) -> Tensor:
    """Return the logits of the images under each channel of A as a mask: (N, K, C).

    A mask is the channel, upsampled bilinearly (corners aligned) and scaled to [0, 1]; where a
    channel is constant it is 0. What it hides becomes 0, the middle of the images' range.

    Args:
        model: of one pass per channel.
        images: (N, 3, H, W).
        activations: A, (N, K, h, w).
    """
    import torch
    import torch.nn.functional as F

    size = (images.shape[2], images.shape[3])
    logits = []
    for k in range(activations.shape[1]):
        mask = F.interpolate(activations[:, k : k + 1], size, mode="bilinear", align_corners=True)
        mask = mask - mask.amin((2, 3), keepdim=True)
        span = mask.amax((2, 3), keepdim=True)
        mask = mask / span.masked_fill(span == 0, 1)
        logits.append(model.logits(model.activations(images * mask)))
    return torch.stack(logits, 1)


def scorecam(
    activations: Tensor, channel_logits: Tensor, classes: Tensor, explained_score: ExplainedScore
) -> Tensor:
    """Return sum_k w_k A_k, w = softmax over the channels of the scores under their masks, no ReLU.

    The paper subtracts the score of a baseline image from all of them; it cancels in the softmax.
    Assumes A >= 0: then a mask is largest where its channel is active, 0 where it is not.

    Args:
        activations: A, (N, K, h, w).
        channel_logits: logits under each channel's mask, (N, K, C).
        classes: class explained, (N,).
        explained_score: which score of it.

    Returns:
        The raw maps (N, h, w), not negative if A is not.

    Source: arXiv 1910.01279, alg. 1.
    """
    count, channels, outputs = channel_logits.shape
    each = classes.repeat_interleave(channels)
    scores = explained(channel_logits.reshape(-1, outputs), each, explained_score).reshape(
        count, channels
    )
    return (scores.softmax(1)[:, :, None, None] * activations).sum(1)


METHODS = {
    "scorecam": Method(
        scorecam,
        "arXiv 1910.01279",
        shared={"channel_logits": channel_logits},
        passes=lambda network: network.channels,
        caveat="presumes activations >= 0; here a mask hides where its channel is most negative, "
        "not where it is inactive",
    )
}
