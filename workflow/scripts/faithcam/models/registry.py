"""Architectures by name, and the networks built from them.

A family of networks is a file of ``faithcam.models.families``, or a plugin, with

- ``ARCHITECTURES``: the name of each network, and its spec;
- ``features(architecture)``: its features, freshly initialised, images (N, 3, H, W) -> A
  (N, K, h, w);
- ``imagenet_features(architecture, state)``, if there are ImageNet weights: the part of the
  published ``state`` that fits the features;
- ``spec_file(architecture)``, if the specs are read from files: the file of this one.

Nothing else names a family. A file that imports torch inside its functions alone lets configs be
checked without torch, which is slow to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from faithcam.core.errors import FaithcamError, unknown
from faithcam.core.registry import Registry
from faithcam.models.architecture import SMALLEST_GRID, TIMM, Architecture, path_name

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faithcam.models.camnet import CamNet, Head

ADVICE = "every file there is a family of networks: mend it or take it away"

_LACKING: list[str] = []
ARCHITECTURES = Registry(
    "faithcam.models.families", "ARCHITECTURES", Architecture, ADVICE, _LACKING
)


def find(architecture: str) -> Architecture:
    """Return the spec of an architecture, by its name or ``timm:NAME``.

    Raises:
        FaithcamError: if it is unknown.
    """
    spec = ARCHITECTURES.get(path_name(architecture))
    if spec is None and architecture.startswith(TIMM):
        raise FaithcamError(
            f"architectures: {architecture} has not been measured yet; run `make timm "
            f"NAME={architecture.removeprefix(TIMM)}` once, it writes down its facts"
        )
    if spec is None:
        raise FaithcamError(
            f"architectures: {unknown(architecture, ARCHITECTURES)}, or any CNN of timm as "
            f"{TIMM}NAME" + "".join(f"; {problem}" for problem in _LACKING)
        )
    return spec


def check(architecture: str, size: int) -> Architecture:
    """Return the spec of an architecture that can take images of ``size`` x ``size`` pixels.

    Raises:
        FaithcamError: if the name is unknown, or the size leaves fewer than 4 x 4 cells or parts of
            cells that must be whole.
    """
    spec = find(architecture)
    cells = spec.cells(size)
    if cells < SMALLEST_GRID:
        raise FaithcamError(
            f"architectures: {architecture} turns images of {size} px into {cells} x {cells} cells,"
            f" but a map needs at least {SMALLEST_GRID} x {SMALLEST_GRID}; use images of "
            f"{spec.smallest_size()} px or more, or a network with smaller strides"
        )
    if spec.patches and size % spec.stride:
        raise FaithcamError(
            f"architectures: {architecture} cuts images into cells of {spec.stride} px, and "
            f"{size} px are no whole number of them; use images of {cells * spec.stride} px"
        )
    return spec


def files(architecture: str) -> list[Path]:
    """Return the files that an architecture is declared in: its family's, and that of its spec."""
    find(architecture)
    family = ARCHITECTURES.declared[architecture]
    if hasattr(family.module, "spec_file"):
        return [family.file, family.module.spec_file(architecture)]
    return [family.file]


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w).

    Raises:
        FaithcamError: if the name is unknown, or a library is needed that cannot be imported.
    """
    find(architecture)
    module: nn.Module = ARCHITECTURES.declared[architecture].module.features(architecture)
    return module


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published ImageNet weights that fits the features.

    Args:
        architecture: one that has such weights.
        state: of the whole published network.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    trunk: dict[str, Tensor] = ARCHITECTURES.declared[architecture].module.imagenet_features(
        architecture, state
    )
    return trunk


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

    from faithcam.models.axialnet import AxialNet
    from faithcam.models.camnet import CamNet

    spec = check(architecture, size)
    inputs = spec.channels * (spec.cells(size) ** 2 if head == "flatten" else 1)
    network = AxialNet if spec.volumes else CamNet
    return network(features(architecture), nn.Linear(inputs, classes), cast("Head", head))
