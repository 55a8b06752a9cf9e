"""Features of torchvision's VGGs (arXiv 1409.1556), without adaptive pool and hidden layers.

The target tensor is the input of Flatten or GAP, non-negative. ``vgg19_thesis`` loses its last ReLU
and MaxPool (doi 10.1016/j.cmpb.2024.108238): its activations take both signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.models import torchvision_nets
from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

_19 = ("vgg19-dcbb9e9d.pth", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44")
ARCHITECTURES = {
    "vgg11": Architecture(
        512,
        32,
        False,
        149_184,
        9_220_480,
        # we found no more digits confirmed by others
        imagenet=("vgg11-8a719046.pth", "8a719046"),
        windows=0.2,
    ),
    "vgg16": Architecture(
        512,
        32,
        False,
        305_856,
        14_714_688,
        imagenet=(
            "vgg16-397923af.pth",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
        windows=0.2,
    ),
    "vgg19": Architecture(512, 32, False, 388_800, 20_024_384, imagenet=_19, windows=0.2),
    "vgg19_thesis": Architecture(512, 16, False, 388_800, 20_024_384, imagenet=_19, windows=0.2),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    import torch
    from torch import nn

    name, _, variant = architecture.partition("_")
    with torch.device("meta"):  # the 120 million weights of the hidden layers are never made
        layers: nn.Sequential = torchvision_nets.network(name).features
    layers.to_empty(device="cpu")
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return layers[:-2] if variant else layers


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published weights that fits the features.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    return torchvision_nets.published_features(architecture.partition("_")[0], state)
