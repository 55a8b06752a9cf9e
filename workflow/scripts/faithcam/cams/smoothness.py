"""The spatial frequencies of maps."""

import math

import torch
from torch import Tensor


def _cosines(cells: int, device: torch.device) -> Tensor:
    """Return the orthonormal DCT-II as a matrix, (cells, cells) float64."""
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
