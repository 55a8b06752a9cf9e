"""What is known of a network without building it."""

from dataclasses import dataclass

SMALLEST_GRID = 4


@dataclass(frozen=True)
class Architecture:
    """Facts about the features of a network; :mod:`faithcam.models.measure` finds most of them.

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
        imagenet: name of the file of ImageNet weights that torchvision publishes and its sha256, or
            the first digits of that; None if there are none.
        windows: the share of a whole pass's time that AOPC takes for a step of changed windows
            alone; 1 where the network runs whole.
    """

    channels: int
    stride: int
    rounds_up: bool
    multiply_adds: int
    parameters: int
    offset: float = 0.0
    patches: bool = False
    pooled: int = 1
    imagenet: tuple[str, str] | None = None
    windows: float = 1.0

    def cells(self, size: int) -> int:
        """Return the rows (= columns) of cells of an image of ``size`` pixels."""
        if not self.rounds_up:
            return size // self.stride
        return -(-size // (self.stride // self.pooled)) // self.pooled

    def smallest_size(self) -> int:
        """Return the smallest image size that leaves 4 x 4 cells."""
        if not self.rounds_up:
            return self.stride * SMALLEST_GRID
        return self.stride // self.pooled * (self.pooled * SMALLEST_GRID - 1) + 1
