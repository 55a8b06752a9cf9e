"""What the readers of image files share: a limit, an error, grey levels of more than 8 bits."""

from collections.abc import Callable
from typing import Any

import numpy as np

LIMIT = 2**26  # pixels: 8192 x 8192; a small file can unpack to more than a machine has

Array = np.ndarray[Any, Any]


class UnreadableError(ValueError):
    """What is wrong with an image file, and what to do; the caller names the file."""


def within_limit(columns: int, rows: int) -> None:
    """Raise UnreadableError if an image has more pixels than ``LIMIT``, before it is unpacked."""
    if columns * rows > LIMIT:
        raise UnreadableError(
            f"{columns} x {rows} px found, expected at most {LIMIT:,} pixels; make it smaller"
        )


def require_finite(values: Array) -> None:
    """Raise UnreadableError if a number is NaN or infinite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UnreadableError("NaN or infinite pixels found, expected numbers; mend or export anew")


def to_bytes(values: Array) -> Array:
    """Scale numbers linearly as ``ends`` says, the channels of colour alike; returns uint8."""
    low, high = ends(values)
    return in_rows(values, lambda rows: scaled(rows.astype(np.float64), low, high))


def ends(values: Array) -> tuple[float, float]:
    """Return the numbers that become 0 and 255: the 0.5th and the 99.5th percentile.

    Raises:
        UnreadableError: if a number is NaN or infinite.
    """
    require_finite(values)
    copy = values.astype(values.dtype if values.dtype == np.uint16 else np.float64).ravel()
    low, high = np.percentile(copy, (0.5, 99.5), overwrite_input=True)
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return float(low), float(max(high, low + 1) if high <= low else high)


def scaled(values: Array, low: float, high: float) -> Array:
    """Return ``values`` as uint8, low as 0 and high as 255, what is beyond cut."""
    return np.asarray(np.rint(255 * np.clip((values - low) / (high - low), 0, 1)), np.uint8)


def in_rows(values: Array, change: Callable[[Array], Array]) -> Array:
    """Apply a change of single pixels to some rows at a time, to need little memory."""
    blocks = np.array_split(values, max(1, values.size // 2**20))
    return np.concatenate([change(block) for block in blocks if len(block)])
