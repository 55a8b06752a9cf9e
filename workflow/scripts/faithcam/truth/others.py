"""What the truth of other images says of an image: a guess that never looks at it."""

import torch
from torch import Tensor


def mean_of_others(values: Tensor, classes: Tensor) -> Tensor:
    """Return the mean of the other images' contributions.

    Args:
        values: contributions of cells, (M, h, w).
        classes: whose score they explain, (M,).

    Returns:
        (M, h, w) float64, of each image the mean over the others of its class; over all others
        where there is none, NaN where there are no others at all.
    """
    exact = values.double()
    others = ~torch.eye(len(values), dtype=torch.bool, device=values.device)
    alike = others & (classes[:, None] == classes)
    chosen = torch.where(alike.any(1, keepdim=True), alike, others).double()
    return torch.einsum("mn,nhw->mhw", chosen, exact) / chosen.sum(1)[:, None, None]
