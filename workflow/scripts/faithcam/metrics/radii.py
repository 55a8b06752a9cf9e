"""Which radius of Max-Sensitivity the published protocol is judged by."""

from collections.abc import Mapping
from typing import Any


def thesis_radius(settings: Mapping[str, Any]) -> float:
    """Return the thesis protocol's radius that stands beside the strict protocol's primary one.

    Args:
        settings: the config's ``max_sensitivity``.

    Returns:
        The primary radius, or the first one if the protocol lacks it.
    """
    radii, primary = settings["thesis"]["radii"], settings["strict"]["primary_radius"]
    return float(primary if primary in radii else radii[0])
