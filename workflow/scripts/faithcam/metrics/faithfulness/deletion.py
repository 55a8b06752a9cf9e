"""Deletion: how low the class probability is while the most relevant cells turn grey, one by one.

Source: arXiv 1806.07421 (RISE). There single pixels are removed; here the native cells, which
are all that a map of the last layer tells apart. Grey is 0, the middle of the images' range.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.areas import area_scores, areas
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.engine import Removal


def deletion(model: nn.Module, images: Tensor, classes: Tensor, maps: Tensor) -> Tensor:
    """Return the area under the curve of the class probability, raster order of ties.

    Args:
        model: images -> logits, in eval mode.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: whose probability is followed, (N,).
        maps: raw, (N, h, w) or (N, S, h, w).

    Returns:
        (N,) float64.
    """
    return areas(Removal(model), images, torch.zeros_like(images), classes, [maps])[0]


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, on the probability of the class explained."""
    return area_scores(inputs, evaluations, inputs.images, torch.zeros_like(inputs.images))
