"""Features of torchvision's ConvNeXt-Tiny (arXiv 2201.03545), normalised cell by cell.

torchvision normalises the pooled features, between GAP and the linear layer. There logits are not
linear in the activations, and no map adds up to them. So the same LayerNorm over the channels is
applied to every cell before Flatten or GAP: the target tensor is what it returns, and takes both
signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.models import torchvision_nets
from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

# kernels of strides equal these: cells are centred where half-pixel upsampling puts them
ARCHITECTURES = {
    "convnext_tiny": Architecture(
        768,
        32,
        False,
        88_783,
        27_820_128,
        imagenet=(
            "convnext_tiny-983f1562.pth",
            "983f1562536e84ff750a1576fb08e54de751dbf2e17c0d8a4a13704341fdcd3d",
        ),
    ),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    network = torchvision_nets.network(architecture)
    layers: nn.Sequential = network.features
    layers.add_module("norm", network.classifier[0])
    return layers


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published weights that fits the features.

    The last LayerNorm is not in it: on ImageNet it is used on pooled features, so it starts fresh.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    return torchvision_nets.published_features(architecture, state)
