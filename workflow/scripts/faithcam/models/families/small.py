"""Networks of our own for images of 28 to 64 pixels on a CPU.

Three steps of stride 2 (64 px -> 8 x 8 cells), 64 channels in the end. All end in a ReLU, as ResNet
and VGG do: the activations are non-negative.

The patch networks are one family whose cells see more and more of the image: ``patch_small`` their
own 8 x 8 pixels, ``overlap_24`` 24 x 24, and so on, round about the same middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

# odd kernels with padding centre cell 0 on pixel 0, half a cell from the middle of its pixels
ARCHITECTURES = {
    "resnet_small": Architecture(64, 8, True, 3_052, 77_392, -3.5, field=47, windows=0.35),
    "vgg_small": Architecture(64, 8, True, 2_412, 72_304, -3.5, field=43, windows=0.35),
    "patch_small": Architecture(64, 8, False, 2_016, 72_064, patches=True, field=8, windows=0.13),
    "overlap_24": Architecture(64, 8, False, 4_064, 203_136, field=24, windows=0.2),
    "overlap_52": Architecture(64, 8, False, 9_184, 309_632, field=52, windows=0.4),
    "overlap_84": Architecture(64, 8, False, 9_184, 309_632, field=84, windows=0.6),
}
# kernel and dilation of the patch networks' layers of stride 1: how far cells look beside them
BESIDE = {
    "patch_small": ((1, 1), (1, 1), (1, 1), (1, 1)),
    "overlap_24": ((1, 1), (1, 1), (3, 1), (1, 1)),
    "overlap_52": ((3, 1), (3, 1), (3, 1), (3, 1)),
    "overlap_84": ((3, 1), (3, 1), (3, 2), (3, 2)),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    if architecture in BESIDE:
        return patches(BESIDE[architecture])
    return {"resnet_small": resnet_small, "vgg_small": vgg_small}[architecture]()


def resnet_small() -> nn.Module:
    """Return a residual network's features: (N, 3, H, W) -> (N, 64, ceil(H / 8), ceil(W / 8))."""
    from torch import nn

    from faithcam.models.residual import ResidualBlock, convolution

    return nn.Sequential(
        *convolution(3, 16, stride=2),
        nn.ReLU(inplace=True),
        ResidualBlock(16, 16, stride=1),
        ResidualBlock(16, 32, stride=2),
        ResidualBlock(32, 64, stride=2),
    )


def vgg_small() -> nn.Module:
    """Return a plain network's features: (N, 3, H, W) -> (N, 64, ceil(H / 8), ceil(W / 8))."""
    from torch import nn

    from faithcam.models.residual import convolution

    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (16, 32, 64):
        for stride in (2, 1):
            layers += [*convolution(inputs, outputs, stride), nn.ReLU(inplace=True)]
            inputs = outputs
    return nn.Sequential(*layers)


def patches(beside: Sequence[tuple[int, int]]) -> nn.Module:
    """Return a patch network's features: (N, 3, H, W) -> (N, 64, H // 8, W // 8).

    Three kernels of 2 x 2 pixels with stride 2, which see disjoint patches, and layers of stride 1
    that may look beside them.

    Args:
        beside: kernel and dilation of the four layers of stride 1. Where all kernels are 1 a cell
            sees its own 8 x 8 pixels alone.
    """
    from torch import nn

    from faithcam.models.residual import convolution

    first, second, third, last = beside
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, stride, (kernel, dilation) in (
        *((32, 2, (2, 1)), (32, 1, first), (64, 2, (2, 1)), (64, 1, second)),
        *((128, 2, (2, 1)), (128, 1, third), (64, 1, last)),
    ):
        layers += [*convolution(inputs, outputs, stride, kernel, dilation), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers)
