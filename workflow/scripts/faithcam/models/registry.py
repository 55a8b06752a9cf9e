"""Every architecture by name, and how a network is built from one.

Importing this module does not import torch: names and sizes can be checked before any job starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from faithcam.errors import FaithcamError

if TYPE_CHECKING:
    from torch import nn

    from faithcam.models.camnet import CamNet, Head

SMALLEST_GRID = 4


@dataclass(frozen=True)
class Architecture:
    """Facts about the features of a network.

    Args:
        channels: channels K of the activations A.
        stride: pixels per cell.
        rounds_up: whether a partial cell counts (padded strides) or not (pooling).
        multiply_adds: of the convolutions per pixel of the image.
        parameters: of the features.
        torchvision: name of the torchvision network it is made from; "" for our own.
        offset: how many pixels the centre of a cell's receptive field lies to the right of (below)
            the middle of the pixels i stride to (i + 1) stride - 1, where half-pixel upsampling
            puts cell i.
        patches: whether a cell sees these pixels alone; images must then be whole cells.
        volumes: whether it takes volumes: these are the features of one slice (``models.axial``).
        unpadded: rings of cells that convolutions without padding take away; where there are any,
            resizing a map to the image also stretches it.
    """

    channels: int
    stride: int
    rounds_up: bool
    multiply_adds: int
    parameters: int
    torchvision: str = ""
    offset: float = 0.0
    patches: bool = False
    volumes: bool = False
    unpadded: int = 0

    def cells(self, size: int) -> int:
        """Return the rows (= columns) of cells of a square image of ``size`` pixels."""
        cells = -(-size // self.stride) if self.rounds_up else size // self.stride
        return cells - 2 * self.unpadded

    def smallest_size(self) -> int:
        """Return the smallest image size that leaves 4 x 4 cells."""
        size = self.stride * (SMALLEST_GRID + 2 * self.unpadded)
        return size - self.stride + 1 if self.rounds_up else size


# channels, pixels per cell, whether a partial cell counts, multiply-adds per pixel, parameters.
# Odd kernels with padding centre cell 0 on pixel 0, half a cell from the middle; pooling does not.
ARCHITECTURES = {
    "resnet_small": Architecture(64, 8, True, 3_052, 77_392, offset=-3.5),
    "vgg_small": Architecture(64, 8, True, 2_412, 72_304, offset=-3.5),
    "patch_small": Architecture(64, 8, False, 2_016, 72_064, patches=True),
    "resnet18": Architecture(512, 32, True, 36_144, 11_176_512, "resnet18", -15.5),
    "resnet34": Architecture(512, 32, True, 73_008, 21_284_672, "resnet34", -15.5),
    "resnet50": Architecture(2048, 32, True, 81_456, 23_508_032, "resnet50", -15.5),
    "vgg11": Architecture(512, 32, False, 149_184, 9_220_480, "vgg11"),
    "vgg16": Architecture(512, 32, False, 305_856, 14_714_688, "vgg16"),
    "vgg19": Architecture(512, 32, False, 388_800, 20_024_384, "vgg19"),
    "resnet34_thesis": Architecture(512, 32, True, 73_008, 21_283_648, "resnet34", -15.5),
    "resnet50_thesis": Architecture(2048, 32, True, 81_456, 23_503_936, "resnet50", -15.5),
    "vgg19_thesis": Architecture(512, 16, False, 388_800, 20_024_384, "vgg19"),
    "axial_small": Architecture(16, 8, True, 4_024, 139_728, offset=-3.5, volumes=True),
    "axial_resnet18": Architecture(
        16, 32, True, 36_353, 11_496_896, "resnet18", 112.5, volumes=True, unpadded=4
    ),
}


def check(architecture: str, size: int) -> Architecture:
    """Return the facts of an architecture that can take images of ``size`` x ``size`` pixels.

    Raises:
        FaithcamError: if the name is unknown, or the size leaves fewer than 4 x 4 cells or parts of
            cells that must be whole.
    """
    if architecture not in ARCHITECTURES:
        raise FaithcamError(
            f"architectures: {architecture!r} is unknown; choose from {', '.join(ARCHITECTURES)}"
        )
    facts = ARCHITECTURES[architecture]
    cells = facts.cells(size)
    if cells < SMALLEST_GRID:
        raise FaithcamError(
            f"architectures: {architecture} turns images of {size} px into {cells} x {cells} cells,"
            f" but a map needs at least {SMALLEST_GRID} x {SMALLEST_GRID}; use images of "
            f"{facts.smallest_size()} px or more, or a network with smaller strides"
        )
    if facts.patches and size % facts.stride:
        raise FaithcamError(
            f"architectures: {architecture} cuts images into cells of {facts.stride} px, and "
            f"{size} px are no whole number of them; use images of {cells * facts.stride} px"
        )
    return facts


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w).

    Raises:
        FaithcamError: if torchvision is needed and cannot be imported.
    """
    if ARCHITECTURES[architecture].volumes:
        from faithcam.models import axial

        return axial.features(architecture)
    if ARCHITECTURES[architecture].torchvision:
        from faithcam.models import torchvision_nets

        return torchvision_nets.features(architecture)
    from faithcam.models import small

    ours: dict[str, Callable[[], nn.Module]] = {
        "resnet_small": small.resnet_small,
        "vgg_small": small.vgg_small,
        "patch_small": small.patch_small,
    }
    return ours[architecture]()


def build(architecture: str, head: str, classes: int, size: int) -> CamNet:
    """Build a freshly initialised network; the caller seeds (``seeding.torch_seed``).

    Args:
        architecture: a key of ``ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        classes: number of classes.
        size: rows = columns of the images in pixels.

    Raises:
        FaithcamError: if a name is unknown or the size leaves fewer than 4 x 4 cells.
    """
    from torch import nn

    from faithcam.models.axial import AxialNet
    from faithcam.models.camnet import CamNet

    facts = check(architecture, size)
    inputs = facts.channels * (facts.cells(size) ** 2 if head == "flatten" else 1)
    network = AxialNet if facts.volumes else CamNet
    return network(features(architecture), nn.Linear(inputs, classes), cast("Head", head))
