"""Three networks of our own for images of 28 to 64 pixels on a CPU.

Three steps of stride 2 (64 px -> 8 x 8 cells), 64 channels in the end. All end in a ReLU, as ResNet
and VGG do: the activations are non-negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

# odd kernels with padding centre cell 0 on pixel 0, half a cell from the middle of its pixels
ARCHITECTURES = {
    "resnet_small": Architecture(64, 8, True, 3_052, 77_392, -3.5, windows=0.35),
    "vgg_small": Architecture(64, 8, True, 2_412, 72_304, -3.5, windows=0.35),
    "patch_small": Architecture(64, 8, False, 2_016, 72_064, patches=True, windows=0.13),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    makers = {"resnet_small": resnet_small, "vgg_small": vgg_small, "patch_small": patch_small}
    return makers[architecture]()


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


def patch_small() -> nn.Module:
    """Return a patch network's features: (N, 3, H, W) -> (N, 64, H / 8, W / 8).

    Kernels equal their strides and nothing is padded: cell ij sees its own 8 x 8 pixels alone. It
    has about as many parameters as :func:`vgg_small`.
    """
    from torch import nn

    from faithcam.models.residual import convolution

    layers: list[nn.Module] = []
    inputs = 3
    for outputs, stride in ((32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (64, 1)):
        layers += [*convolution(inputs, outputs, stride, kernel=stride), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers)
