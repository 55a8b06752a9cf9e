"""Windows of maps: the part of a layer's output that the removal of a region can change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

OUTSIDE = 2**40

Places = tuple[np.ndarray, np.ndarray]  # rows (region rows, h) and columns (region columns, w)


class Geometry(NamedTuple):
    """Steps of a convolution or pooling along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int


@dataclass(frozen=True)
class Span:
    """The part of one axis of a map that each region can change.

    Args:
        low: first row (or column) that can change, (regions along the axis,) int64.
        high: the one after the last, likewise.
        extent: rows (or columns) of the map.
    """

    low: np.ndarray
    high: np.ndarray
    extent: int

    @property
    def size(self) -> int:
        """Rows of a window, the same for all regions."""
        return max(1, int((self.high - self.low).max()))

    @property
    def start(self) -> np.ndarray:
        """First row of each region's window, (regions,); all windows lie within the map."""
        start: np.ndarray = np.clip(self.low, 0, self.extent - self.size)
        return start

    @property
    def window(self) -> np.ndarray:
        """All rows of each region's window, (regions, size)."""
        rows: np.ndarray = self.start[:, None] + np.arange(self.size)
        return rows

    def after(self, layer: Geometry, extent: int) -> "Span":
        """Return what can change in the output, of ``extent`` rows, of a layer."""
        reach = (layer.kernel - 1) * layer.dilation
        low = -((self.low + layer.padding - reach) // -layer.stride)
        high = np.clip((self.high - 1 + layer.padding) // layer.stride + 1, 0, extent)
        return Span(np.clip(low, 0, high), high, extent)

    def read_by(self, layer: Geometry) -> np.ndarray:
        """Return the rows of a layer's input that this window of its output is computed from."""
        count = (self.size - 1) * layer.stride + (layer.kernel - 1) * layer.dilation + 1
        first = self.start * layer.stride - layer.padding
        rows: np.ndarray = first[:, None] + np.arange(count)
        return rows

    def union(self, other: "Span") -> "Span":
        """Return what can change in a map made of two of the same size."""
        return Span(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.extent)


Spans = tuple[Span, Span]


def pixels_of(index: Tensor) -> Span:
    """Return each region's pixels along an axis; ``index`` is the region of each pixel."""
    regions = np.arange(int(index.max()) + 1)
    low, high = (np.searchsorted(index.cpu().numpy(), regions, s) for s in ("left", "right"))
    return Span(low, high, len(index))


@dataclass(frozen=True)
class Cells:
    """Places of the cells of each region's window in a map that is stored cell by cell.

    Args:
        rows: row times width of the map, ``OUTSIDE`` beyond the border, (region rows, h) int64.
        columns: column, or ``OUTSIDE``, (region columns, w) int64.
        reach_out: whether any cell lies beyond the border.
    """

    rows: Tensor
    columns: Tensor
    reach_out: bool

    @classmethod
    def of(cls, places: Places, size: Sequence[int], device: torch.device) -> "Cells":
        """Return the cells at some rows and columns of a map of size (H, W)."""
        outside = [(i < 0) | (i >= n) for i, n in zip(places, size, strict=True)]
        return cls(
            torch.from_numpy(np.where(outside[0], OUTSIDE, places[0] * size[1])).to(device),
            torch.from_numpy(np.where(outside[1], OUTSIDE, places[1])).to(device),
            any(bool(part.any()) for part in outside),
        )


class Map:
    """A layer's output for some images, stored cell by cell."""

    def __init__(self, values: Tensor) -> None:
        self._count, channels, self._height, self._width = values.shape
        cells = values.permute(0, 2, 3, 1).reshape(-1, channels)
        # the last two rows are what lies beyond the border: zeros, and -inf for maximum pooling
        beyond = cells.new_tensor([[0.0], [-torch.inf]]).expand(-1, channels)
        self.cells = torch.cat([cells, beyond])
        first = torch.arange(0, len(cells), self._height * self._width, device=values.device)
        self._first = first[:, None, None]

    def whole(self) -> Tensor:
        """Return (N, C, H, W), channels last, in the map's memory."""
        shape = (self._count, self._height, self._width, self.cells.shape[1])
        return self.cells[:-2].view(shape).permute(0, 3, 1, 2)

    def _places(self, window: Cells, row: Tensor, column: Tensor, beyond: int) -> Tensor:
        columns = window.columns.index_select(0, column)[:, None, :] + self._first
        places = window.rows.index_select(0, row)[:, :, None] + columns
        return places.clamp_(max=len(self.cells) + beyond) if window.reach_out else places

    def read(self, window: Cells, row: Tensor, column: Tensor, fill: float = 0) -> Tensor:
        """Return each image's window, (N, C, h, w), channels last.

        Args:
            window: cells of all regions' windows.
            row: row in the grid of each image's region, (N,).
            column: its column, (N,).
            fill: what lies beyond the border, 0 or -inf.
        """
        places = self._places(window, row, column, -2 if fill == 0 else -1)
        cells = self.cells.index_select(0, places.flatten())
        return cells.view(*places.shape, -1).permute(0, 3, 1, 2)

    def write(self, window: Cells, row: Tensor, column: Tensor, values: Tensor) -> None:
        """Replace each image's window by values, (N, C, h, w)."""
        places = self._places(window, row, column, 0).flatten()
        self.cells.index_copy_(0, places, values.permute(0, 2, 3, 1).reshape(len(places), -1))
