"""Networks that are blind to a part of the image by construction, as in arXiv 2404.01964.

The class weights of some cells are zero from the first step of the training to the last, for every
class: no score depends on these cells, whatever their activations are.
"""

import torch
from torch import Tensor

from faithcam.models.camnet import CamNet


def dead_cells(cells: int) -> Tensor:
    """Return which cells no class looks at: the lower quarter of the rows, or one, (h, w) bool.

    Args:
        cells: h = w of the activations.
    """
    dead = torch.arange(cells) >= cells - max(1, cells // 4)
    return dead[:, None].expand(cells, cells)


def blind(model: CamNet, cells: int) -> None:
    """Set the weights of the dead cells to zero, where optimizers leave them: AdamW decays zero.

    Args:
        model: with a Flatten head, which is changed.
        cells: h = w of its activations.
    """
    weight = model.classifier.weight
    seen = (~dead_cells(cells)).flatten().repeat(weight.shape[1] // cells**2).to(weight)
    with torch.no_grad():
        weight.mul_(seen)
    weight.register_hook(lambda gradient: gradient * seen.to(gradient))  # type: ignore[no-untyped-call]
