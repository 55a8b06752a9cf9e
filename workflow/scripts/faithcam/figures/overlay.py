"""A signed map over a pale image, and the outline of a finding."""

from typing import Any

import numpy as np
from matplotlib import colormaps

COLOURS = "RdBu_r"
OUTLINE = "#F0E442"


def overlay(image: np.ndarray[Any, Any], view: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the map's colours multiplied with a pale image: (H, W, 3) in [0, 1].

    Args:
        image: uint8 (H, W) or (H, W, 3).
        view: the map, (H, W) in [-1, 1].
    """
    pale = 0.55 + 0.45 * image / 255
    pale = pale[..., None] if pale.ndim == 2 else pale
    overlaid: np.ndarray[Any, Any] = colormaps[COLOURS]((view + 1) / 2)[..., :3] * pale
    return overlaid


def outline(ax: Any, mask: np.ndarray[Any, Any]) -> None:
    """Draw the border of a mask (H, W), if it is not empty."""
    if mask.any():
        for colour, width in (("#000000", 2.2), (OUTLINE, 1.0)):
            ax.contour(mask, levels=[0.5], colors=colour, linewidths=width)
