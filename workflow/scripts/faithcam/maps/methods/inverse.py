"""Control: a map that is wrong on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faithcam.maps.method import FLATTEN, Method

if TYPE_CHECKING:
    from torch import Tensor


def inverse(hirescam: Tensor) -> Tensor:
    """Return -hirescam, which ranks the cells the other way round: (N, h, w)."""
    return -hirescam


METHODS = {"inverse": Method(inverse, "docs/validity.md", heads=FLATTEN, volumes=True)}
