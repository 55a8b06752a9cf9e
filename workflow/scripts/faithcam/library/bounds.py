"""Black and white of images: the values between which metrics put noise and grey."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError


@dataclass(frozen=True)
class Bounds:
    """Smallest and largest value that images can have, such as those of black and white.

    Args:
        low: of every channel, or one for each.
        high: likewise.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, bounds: Any) -> Bounds:
        """Return the bounds (low, high) of an argument: numbers, or lists of one per channel.

        Raises:
            FaithcamError: if they are none.
        """
        try:
            low, high = (
                tuple(float(v) for v in (each if isinstance(each, Iterable) else [each]))
                for each in bounds
            )
        except (TypeError, ValueError):
            low, high = (), ()
        below = len(low) == len(high) and all(a < b for a, b in zip(low, high, strict=True))
        if not low or not below or not all(map(math.isfinite, (*low, *high))):
            raise FaithcamError(
                f"bounds: {bounds} found, expected (low, high): numbers, or one per channel"
            )
        return cls(low, high)

    def _sides(self, images: Tensor) -> tuple[Tensor, Tensor]:
        axes = (-1, *[1] * (images.ndim - 2))  # behind those of the batch
        low, high = (images.new_tensor(side).view(axes) for side in (self.low, self.high))
        return low, high

    def check(self, images: Tensor) -> None:
        """Raise FaithcamError if images (N, C, H, W) are outside, but for rounding."""
        if len(self.low) not in (1, images.shape[1]):
            raise FaithcamError(
                f"bounds: {len(self.low)} channels found, expected one number or "
                f"{images.shape[1]}, as the images have channels"
            )
        low, high = self._sides(images)
        spare = 1e-4 * (high - low)
        if bool(((images < low - spare) | (images > high + spare)).any()):
            low_found, high_found = (float(value) for value in images.aminmax())
            raise FaithcamError(
                f"images: values from {low_found:.4g} to {high_found:.4g} found, expected "
                f"{_text(self.low)} to {_text(self.high)}; scale them as the network was trained, "
                "or give their bounds"
            )

    def to_unit(self, images: Tensor) -> Tensor:
        """Return images scaled to [-1, 1]."""
        low, high = self._sides(images)
        return (images - low) / (high - low) * 2 - 1


def _text(side: tuple[float, ...]) -> str:
    return f"{side[0]:g}" if len(side) == 1 else f"({', '.join(f'{v:g}' for v in side)})"


UNIT = Bounds((-1.0,), (1.0,))  # what metrics work with


class FromUnit(nn.Module):
    """Images in [-1, 1] -> as a network takes them.

    Args:
        bounds: of these.
        space: axes of space of the images.
    """

    low: Tensor
    scale: Tensor

    def __init__(self, bounds: Bounds, space: int) -> None:
        super().__init__()
        axes = (-1, *[1] * space)
        self.register_buffer("low", torch.tensor(bounds.low).view(axes))
        self.register_buffer("scale", (torch.tensor(bounds.high).view(axes) - self.low) / 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return the images scaled."""
        scaled: Tensor = (images + 1) * self.scale + self.low
        return scaled
