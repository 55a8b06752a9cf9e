"""Features of torchvision's EfficientNet-B0 (arXiv 1905.11946), up to its last convolution.

They end in a SiLU: the activations take both signs. Squeeze-and-excitation looks at whole maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

ARCHITECTURES = {
    "efficientnet_b0": Architecture(
        1280,
        32,
        True,
        7_804,
        4_007_548,
        -15.5,
        imagenet=(
            "efficientnet_b0_rwightman-7f5810bc.pth",
            "7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934",
        ),
    ),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    from faithcam.models import torchvision_nets

    layers: nn.Module = torchvision_nets.network(architecture).features
    return layers


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published weights that fits the features.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    from faithcam.models import torchvision_nets

    return torchvision_nets.published_features(architecture, state)
