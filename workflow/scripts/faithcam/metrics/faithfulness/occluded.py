"""What metrics share that replace cells and hold maps against the fall of the score."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.explained import scores as scores_of
from faithcam.core.views import size_of
from faithcam.metrics.faithfulness.curves import mean_drops
from faithcam.metrics.inputs import Inputs
from faithcam.removal.grid import grid


def occlusion(inputs: Inputs, cells: tuple[int, ...], replacements: list[Tensor]) -> Tensor:
    """Return how far the score falls when a cell, and no other, is replaced: mean over draws.

    Args:
        inputs: of a network and images.
        cells: (h, w) of its maps, of volumes (s, h, w).
        replacements: of the images' pixels, one per draw.

    Returns:
        (N, *cells) float64; the score is the centred logit.

    Source: arXiv 1311.2901.
    """
    regions, images = grid(size_of(inputs.images), cells), inputs.images
    count = math.prod(cells)
    alone = {
        cell: torch.full((len(images), 1), cell, device=images.device) for cell in range(count)
    }
    falls = mean_drops(inputs, regions, replacements, alone, ("logit",))
    one_less = [falls[cell, "logit"][:, 1] for cell in range(count)]
    return torch.stack(one_less, 1).view(-1, *cells)


def centred(inputs: Inputs, images: Tensor) -> Tensor:
    """Return the centred logits of the classes explained, (N,) float64, of any images."""
    return scores_of(inputs.network(images).double(), inputs.classes, "centred")


def defined(values: Tensor, seen: Sequence[str]) -> list[str]:
    """Return the statuses of maps, ``undefined`` where a map is ok and its score is NaN."""
    return [
        "undefined" if status == "ok" and nan else status
        for status, nan in zip(seen, values.isnan().tolist(), strict=True)
    ]
