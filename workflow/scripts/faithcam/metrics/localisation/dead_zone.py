"""Dead zone: how much of a map lies in cells that no class score depends on.

Source: arXiv 2404.01964. HiResCAM is 0 there by its definition, on any network.
"""

from collections.abc import Sequence

from torch import Tensor

from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.models.camnet import CamNet


def unseen(network: CamNet, cells: tuple[int, int]) -> Tensor:
    """Return which cells have no weight for any class, (h, w) bool.

    Args:
        network: with a Flatten head.
        cells: (h, w) of its activations.
    """
    channels = network.classifier.in_features // (cells[0] * cells[1])
    return (network.cell_weights((channels, *cells)) == 0).all(1).all(0)


def dead_share(maps: Tensor, dead: Tensor) -> Tensor:
    """Return the share of the sum of absolute values that lies in some cells.

    Args:
        maps: raw, (N, h, w).
        dead: cells, (h, w) bool.

    Returns:
        (N,) float64; NaN for a map of zeros.
    """
    values = maps.double().abs()
    return (values * dead).sum((1, 2)) / values.sum((1, 2))


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods; the network is not asked."""
    scores = Scores()
    for evaluation in evaluations:
        for method, raw in inputs.raw(evaluation.methods).items():
            dead = unseen(inputs.network, (raw.shape[1], raw.shape[2]))
            scores.add(evaluation, method, dead_share(raw, dead), statuses(raw, "signed"))
    return scores
