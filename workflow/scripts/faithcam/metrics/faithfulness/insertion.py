"""Insertion: how high the class probability is while the most relevant cells come out of a blur.

Source: arXiv 1806.07421 (RISE). There single pixels are inserted, here native cells; the blurred
image is AOPC's imputer ``blur`` (Gaussian, sigma a 16th of each side).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.areas import area_scores, areas
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.engine import Removal


def insertion(
    model: nn.Module, images: Tensor, classes: Tensor, maps: Tensor, blurred: Tensor
) -> Tensor:
    """Return the area under the curve of the class probability, raster order of ties.

    Args:
        model: images -> logits, in eval mode.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: whose probability is followed, (N,).
        maps: raw, (N, h, w) or (N, S, h, w).
        blurred: the images out of which cells come, likewise.

    Returns:
        (N,) float64.
    """
    return areas(Removal(model), blurred, images, classes, [maps])[0]


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, on the probability of the class explained."""
    (blurred,) = inputs.replacements("blur")
    return area_scores(inputs, evaluations, blurred, inputs.images)
