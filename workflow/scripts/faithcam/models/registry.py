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
from faithcam.models import own
from faithcam.models.architecture import SMALLEST_GRID, TIMM, Architecture, is_own, path_name

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faithcam.models.camnet import CamNet, Head

ADVICE = "every file there is a family of networks: mend it or take it away"

LOADER = Path(own.__file__).with_name("own_nets.py")  # imported by its name, where it is needed

_LACKING: list[str] = []
ARCHITECTURES = Registry(
    "faithcam.models.families", "ARCHITECTURES", Architecture, ADVICE, _LACKING
)


def find(architecture: str, resources: str = "") -> Architecture:
    """Return the spec of an architecture, by its name, ``timm:NAME`` or MODULE:FUNCTION.

    Args:
        architecture: its name in the config or in paths.
        resources: the config's folder, where facts of the user's own networks are; "": they are
            not looked for.

    Raises:
        FaithcamError: if it is unknown.
    """
    spec = ARCHITECTURES.get(path_name(architecture))
    if is_own(architecture):
        own.files(architecture)  # or an error that says what is wrong with the name
        if spec is not None:
            raise FaithcamError(
                f"architectures: {architecture} would be {path_name(architecture)} in paths, as a "
                "network of faithcam is; rename the function"
            )
    if spec is None and resources and (known := own.measured(architecture, resources)):
        return known.spec
    if spec is None and ":" in architecture:
        config = " CONFIG=..." if is_own(architecture) else ""
        raise FaithcamError(
            f"architectures: {architecture} has not been measured yet; run `make measure "
            f"NAME={architecture}{config}` once, it writes down its facts"
        )
    if spec is None:
        raise FaithcamError(
            f"architectures: {unknown(architecture, ARCHITECTURES)}, or any CNN of timm as "
            f"{TIMM}NAME, or your own as MODULE:FUNCTION"
            + "".join(f"; {problem}" for problem in _LACKING)
        )
    return spec


def check(architecture: str, size: int, resources: str = "") -> Architecture:
    """Return the spec of an architecture that can take images of ``size`` x ``size`` pixels.

    Args:
        architecture: see :func:`find`.
        size: rows = columns of the images.
        resources: see :func:`find`.

    Raises:
        FaithcamError: if the name is unknown, or the size leaves fewer than 4 x 4 cells or parts of
            cells that must be whole.
    """
    spec = find(architecture, resources)
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


def files(architecture: str, resources: str = "") -> list[Path]:
    """Return the files that an architecture is declared in: its family's, and that of its spec.

    Of a network of the user's own, its module and its facts.
    """
    find(architecture, resources)
    family = ARCHITECTURES.declared.get(path_name(architecture))
    if family is None:
        known = own.measured(architecture, resources)
        modules = own.files(known.name) if known else []
        return [*modules, own.facts_file(architecture, resources), LOADER]
    if hasattr(family.module, "spec_file"):
        return [family.file, family.module.spec_file(path_name(architecture))]
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
