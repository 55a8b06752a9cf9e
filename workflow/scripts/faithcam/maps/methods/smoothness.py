"""Controls that share the spatial frequencies of a map: is a metric moved by smoothness alone?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from faithcam.maps.method import FLATTEN, Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from faithcam.core.seeding import Streams


def _cosines(cells: int, device: torch.device) -> Tensor:
    """Return the orthonormal DCT-II as a matrix, (cells, cells) float64."""
    import torch

    frequency, place = torch.arange(cells, dtype=torch.float64, device=device).expand(2, -1)
    matrix = torch.cos(math.pi / cells * frequency[:, None] * (place + 0.5))
    matrix[0] /= math.sqrt(2)
    return matrix * math.sqrt(2 / cells)


def dct(maps: Tensor) -> Tensor:
    """Return the orthonormal DCT-II coefficients of maps: (N, h, w) -> (N, h, w) float64."""
    rows, columns = (_cosines(cells, maps.device) for cells in maps.shape[1:])
    return rows @ maps.double() @ columns.T


def inverse_dct(coefficients: Tensor) -> Tensor:
    """Return the maps of DCT-II coefficients: (N, h, w) -> (N, h, w) float32."""
    rows, columns = (_cosines(cells, coefficients.device) for cells in coefficients.shape[1:])
    return (rows.T @ coefficients @ columns).float()


def spectrum_random(hirescam: Tensor, image_ids: Sequence[int], streams: Streams) -> Tensor:
    """Return maps with HiResCAM's DCT-II amplitudes under keyed random signs.

    The coefficient of frequency zero keeps its sign, and so the map its sum.

    Args:
        hirescam: raw maps (N, h, w).
        image_ids: of the images, N.
        streams: of the network.

    Returns:
        The raw signed maps (N, h, w).
    """
    cells = tuple(hirescam.shape[1:])
    numbers = streams.uniform(image_ids, "spectrum signs", 0, cells, hirescam.device)
    return random_signs(hirescam, numbers)


def random_signs(maps: Tensor, numbers: Tensor) -> Tensor:
    """Return maps with the DCT-II amplitudes of others under random signs.

    The coefficient of frequency zero keeps its sign, and so the map its sum.

    Args:
        maps: (N, h, w).
        numbers: uniform in [0, 1), (N, h, w).

    Returns:
        (N, h, w) float32.
    """
    import torch

    signs = torch.where(numbers < 0.5, -1.0, 1.0)
    signs[:, 0, 0] = 1
    return inverse_dct(dct(maps) * signs)


def as_smooth_as(maps: Tensor, other: Tensor) -> Tensor:
    """Return maps rescaled, frequency by frequency, to the mean DCT-II amplitudes of other maps.

    A frequency is the rounded distance sqrt(u^2 + v^2) from zero; all signs and the relations of
    the coefficients of one frequency stay.

    Args:
        maps: raw maps (N, h, w).
        other: raw maps (N, h, w) whose smoothness is wanted.

    Returns:
        The raw signed maps (N, h, w).
    """
    import torch

    coefficients = dct(maps)
    u, v = (torch.arange(n, device=maps.device) for n in maps.shape[1:])
    frequency = torch.hypot(u[:, None].double(), v.double()).round().long()
    members = torch.nn.functional.one_hot(frequency.flatten()).double()
    # sums compare like means: both maps have as many coefficients of a frequency
    power, wanted = (part.abs().flatten(1) @ members for part in (coefficients, dct(other)))
    factor = torch.where(power == 0, 0.0, wanted / power)
    return inverse_dct(coefficients * factor[:, frequency])


METHODS = {
    "spectrum_random": Method(spectrum_random, "docs/validity.md", heads=FLATTEN),
    "hirescam_as_smooth_as_gradcam": Method(
        as_smooth_as, "docs/validity.md", needs=("hirescam", "gradcam"), heads=FLATTEN
    ),
    "gradcam_as_smooth_as_hirescam": Method(
        as_smooth_as, "docs/validity.md", needs=("gradcam", "hirescam"), heads=FLATTEN
    ),
}
