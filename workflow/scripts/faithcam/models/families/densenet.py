"""Features of torchvision's DenseNets (arXiv 1608.06993).

torchvision applies the last ReLU after its ``features``. Here it belongs to them: the target tensor
is what global average pooling gets, and non-negative.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from faithcam.models import torchvision_nets
from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

# Strides are padded and round up to a quarter of the image, then transitions pool whole cells. Cell
# 0 is centred on pixel 0 first, each transition moves it half a cell: 2 + 4 + 8 = 14 of 15.5 px.
ARCHITECTURES = {
    "densenet121": Architecture(
        1024,
        32,
        True,
        56_464,
        6_953_856,
        -1.5,
        pooled=8,
        imagenet=(
            "densenet121-a639ec97.pth",
            "a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395",
        ),
        windows=0.75,
    ),
    "densenet169": Architecture(
        1664,
        32,
        True,
        66_928,
        12_484_480,
        -1.5,
        pooled=8,
        # we found no more digits confirmed by others
        imagenet=("densenet169-b2777c0a.pth", "b2777c0a"),
        windows=0.75,
    ),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    from torch import nn

    layers: nn.Sequential = torchvision_nets.network(architecture).features
    layers.add_module("relu5", nn.ReLU(inplace=True))
    return layers


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published weights that fits the features.

    The published files write ``norm.1`` where torchvision's layers are called ``norm1`` today.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    renamed = {re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", k): v for k, v in state.items()}
    return torchvision_nets.published_features(architecture, renamed)
