"""Features of one slice for AxialNet (arXiv 2111.12215), a network for volumes.

Four convolutions reduce a ResNet's channels to 16; the last ReLU leaves non-negative activations.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from faithcam.models.architecture import Architecture
from faithcam.models.families import resnet

if TYPE_CHECKING:
    from torch import Tensor, nn

REDUCTION = (64, 32, 16, 16)  # channels after each of the four convolutions

# each ring of cells that is taken away moves the first cell by a stride
ARCHITECTURES = {
    "axial_small": Architecture(16, 8, True, 4_024, 139_728, -3.5, volumes=True),
    "axial_resnet18": Architecture(
        16,
        32,
        True,
        36_353,
        11_496_896,
        4 * 32 - 15.5,
        volumes=True,
        unpadded=4,
        imagenet=resnet.ARCHITECTURES["resnet18"].imagenet,
    ),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features of a slice: (M, 3, H, W) -> (M, 16, h, w).

    ``axial_resnet18`` is the published one: its convolutions are not padded and take four rings of
    ResNet18's cells away (420 px: 14 x 14 -> 6 x 6). ``axial_small`` pads, since at 64 px there
    are 8 x 8 cells.
    """
    from torch import nn

    from faithcam.models.families import small

    if architecture == "axial_small":
        parts = {"trunk": small.resnet_small(), "reduction": _reduction(64, padding=1)}
    else:
        trunk = resnet.features("resnet18")
        parts = {"trunk": trunk, "reduction": _reduction(512, padding=0)}
    return nn.Sequential(OrderedDict(parts))


def _reduction(channels: int, padding: int) -> nn.Sequential:
    from torch import nn

    layers: list[nn.Module] = []
    for outputs in REDUCTION:
        layers += [nn.Conv2d(channels, outputs, 3, padding=padding), nn.ReLU(inplace=True)]
        channels = outputs
    return nn.Sequential(*layers)


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of ResNet18's published weights that fits; the convolutions start fresh.

    Raises:
        RuntimeError: if ``state`` is not exactly ResNet18's (missing, unexpected, misfitting).
    """
    trunk = resnet.imagenet_features(architecture.removeprefix("axial_"), state)
    return {f"trunk.{name}": part for name, part in trunk.items()}
