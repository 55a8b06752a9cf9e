"""Networks whose head may be any, made ready for many forward passes."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

from faithcam.models.inference import (
    Prepared,
    folded,
    laid_out,
    random_images,
    same_logits,
    traced,
)
from faithcam.models.splitnet import SplitNet


class InferenceSplitNet(SplitNet, Prepared):
    """A network whose features are one graph without in-place steps, in eval mode.

    Args:
        features: images -> A, see :func:`faithcam.models.inference.traced`.
        tail: as in ``SplitNet``.
        layer: as in ``SplitNet``.
    """

    features: fx.GraphModule
    dtype = torch.float32

    def __init__(self, features: fx.GraphModule, tail: nn.Module, layer: str = "") -> None:
        super().__init__(features, tail, layer)
        self.eval()


@torch.no_grad()
def split_for_inference(model: SplitNet, size: tuple[int, int], channels: int = 3) -> SplitNet:
    """Return a faster network with the same function, as ``for_inference`` does.

    Args:
        model: on the CPU, in eval mode, and of images.
        size: (H, W) of the images.
        channels: of the images.
    """
    features = copy.deepcopy(model.features)
    features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = random_images(size, channels)
    expected = model(images)
    if (graph := traced(features)) is None:
        return model
    graph = laid_out(folded(graph), images[:1])
    if not same_logits(expected, model.logits(graph(images))):
        return model
    return InferenceSplitNet(graph, model.tail, model.layer)
