"""Admission of an estimand: do its contributions foretell what happens when a part really goes?

On phantoms a part can be rendered away. The contributions of the cells that it touches, together,
are held against the change of the score.
"""

import torch
from torch import Tensor

from faithcam.removal.grid import grid


def contributions_of_parts(values: Tensor, masks: Tensor) -> Tensor:
    """Return the sum of the values of the cells that each part touches.

    Args:
        values: of the cells, (N, h, w).
        masks: of the parts, {0, 1}, (N, P, H, W).

    Returns:
        (N, P) float64; 0 where an image has no such part.
    """
    rows, columns = (
        torch.nn.functional.one_hot(index).double().to(masks.device)
        for index in grid(tuple(masks.shape[2:]), tuple(values.shape[1:]))
    )
    touched = (rows.T @ masks.double() @ columns > 0).double()
    return torch.einsum("nphw,nhw->np", touched, values.double())
