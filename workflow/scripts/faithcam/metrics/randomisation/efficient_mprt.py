"""Efficient MPRT: how much more complex maps become when all weights of the network are new.

Source: arXiv 2401.06465: the relative rise of the entropy of the map's histogram. It needs one
randomised network and compares no maps with each other. The histogram is that of the signed map,
upsampled to the image: a hundred bins from its smallest to its largest value.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.views import size_of, statuses, upsampled
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.randomisation.randomised import networks


def histogram_entropy(maps: Tensor, bins: int = 100) -> Tensor:
    """Return the entropy in nats of each map's histogram.

    Args:
        maps: (N, H, W).
        bins: of equal width, from the smallest to the largest value of the map.

    Returns:
        (N,) float64; 0 for a constant map, NaN for one that is not finite.
    """
    values = maps.flatten(1).double()
    finite = values.isfinite().all(1)
    values = torch.where(finite[:, None], values, 0)
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    width = torch.where(high > low, high - low, 1)
    index = ((values - low) / width * bins).long().clamp(max=bins - 1)
    counts = values.new_zeros(len(maps), bins).scatter_add_(1, index, torch.ones_like(values))
    terms: Tensor = torch.special.entr(counts / values.shape[1])
    return torch.where(finite, terms.sum(1), torch.nan)


def rise(trained: Tensor, new: Tensor, bins: int = 100) -> Tensor:
    """Return by which share the entropy of the maps' histograms rises.

    Args:
        trained: maps of the trained network, (N, H, W).
        new: of the network with new weights, likewise.
        bins: of the histograms.

    Returns:
        (N,) float64; NaN where the entropy of the trained network's map is 0.
    """
    before, after = (histogram_entropy(maps, bins) for maps in (trained, new))
    return torch.where(before > 0, (after - before) / before, torch.nan)


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods.

    Args:
        inputs: images, and ``standard_images``.
        evaluations: what is asked.
    """
    scores, images, size = Scores(), inputs.images, size_of(inputs.images)
    trained = inputs.made(methods_of(evaluations), images)
    for evaluation in evaluations:
        (network,) = networks(inputs, 1, int(evaluation.setting["replicate"]))
        new = inputs.made(evaluation.methods, images, network)
        for method in evaluation.methods:
            before, after = (upsampled(raw[method], size) for raw in (trained, new))
            values = rise(before, after, int(evaluation.setting["bins"]))
            scores.add(evaluation, method, values, statuses(trained[method], "signed"))
    return scores
