"""Baseline: a map that prefers no cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from torch import Tensor


def constant(images: Tensor, cells: tuple[int, ...]) -> Tensor:
    """Return 1 in every cell: (N, *cells). Such a map has no ranks: its status is ``undefined``."""
    return images.new_ones(len(images), *cells)


METHODS = {"constant": Method(constant, "docs/validity.md", volumes=True)}
