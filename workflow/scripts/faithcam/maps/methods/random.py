"""Baseline: a map that knows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from faithcam.core.seeding import Streams


def random(
    images: Tensor, cells: tuple[int, ...], image_ids: Sequence[int], streams: Streams
) -> Tensor:
    """Return keyed uniform numbers in [0, 1), one per cell: (N, *cells)."""
    return streams.uniform(image_ids, "random map", 0, cells).to(images.device)


METHODS = {"random": Method(random, "docs/validity.md", volumes=True)}
