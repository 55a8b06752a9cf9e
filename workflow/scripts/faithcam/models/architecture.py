"""The spec of a network, known without building it."""

import re
from dataclasses import dataclass

SMALLEST_GRID = 4
TIMM = "timm:"
OWN = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"  # MODULE:FUNCTION


@dataclass(frozen=True)
class Architecture:
    """Spec of a network's features; :mod:`faithcam.models.measure` measures most of it.

    Args:
        channels: channels K of the activations A.
        stride: pixels per cell.
        rounds_up: whether a partial cell counts (padded strides) or not (pooling).
        multiply_adds: of convolutions and linear layers per pixel of an image of 64 x 64 px.
        parameters: of the features.
        offset: how many pixels the centre of a cell's receptive field lies to the right of (below)
            the middle of the pixels i stride to (i + 1) stride - 1, where half-pixel upsampling
            puts cell i; 0, too, if that differs from branch to branch of the network.
        patches: whether a cell sees these pixels alone; images must then be whole cells.
        pooled: the factor of the stride by which the network goes on to pool cells that were
            rounded up; what is left over there does not count.
        volumes: whether it takes volumes: these are the features of one slice (``models.axial``).
        unpadded: rings of cells that convolutions without padding take away; where there are any,
            resizing a map to the image also stretches it.
        imagenet: name of the file of ImageNet weights that torchvision publishes and its sha256, or
            the first digits of that; None if there are none.
        field: pixels across that a cell sees at most, its receptive field; 0: not known.
        windows: the share of a whole pass's time that AOPC takes for a step of changed windows
            alone; 1 where the network runs whole.
        head: of a network of the user's own, which is whole and has one head: ``flatten``, ``gap``
            or ``other``; "" of features that get either head.
    """

    channels: int
    stride: int
    rounds_up: bool
    multiply_adds: int
    parameters: int
    offset: float = 0.0
    patches: bool = False
    pooled: int = 1
    volumes: bool = False
    unpadded: int = 0
    imagenet: tuple[str, str] | None = None
    field: int = 0
    windows: float = 1.0
    head: str = ""

    def cells(self, size: int) -> int:
        """Return the rows (= columns) of cells of an image of ``size`` pixels."""
        if self.rounds_up:
            cells = -(-size // (self.stride // self.pooled)) // self.pooled
        else:
            cells = size // self.stride
        return cells - 2 * self.unpadded

    def smallest_size(self) -> int:
        """Return the smallest image size that leaves 4 x 4 cells."""
        cells = SMALLEST_GRID + 2 * self.unpadded
        if not self.rounds_up:
            return self.stride * cells
        return self.stride // self.pooled * (self.pooled * cells - 1) + 1


def is_own(architecture: str) -> bool:
    """Return whether a name is MODULE:FUNCTION, a network of the user's own."""
    return ":" in architecture and not architecture.startswith(TIMM)


def path_name(architecture: str) -> str:
    """Return a network's name in paths and tables: ``timm_NAME``, ``MODULE_FUNCTION``."""
    if ":" not in architecture:
        return architecture
    return re.sub(r"\W", "_", architecture, flags=re.ASCII)
