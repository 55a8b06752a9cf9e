"""Feature-space AOPC: cells of the activations are set to zero in the order of a map.

The centred logit is linear in A, so it falls by a cell's HiResCAM when the cell becomes zero: the
curves follow from the stored maps, exactly, and no order falls faster than HiResCAM's own. A
positive control: here the best map is known. Source of the law: arXiv 2011.08891; of the score:
arXiv 1509.06321, eq. 12.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.curves import aopc_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.orders import additive_drops, order_of

FAITHFUL = "hirescam"


def feature_aopc(contributions: Tensor, maps: Tensor, keys: Tensor | None = None) -> Tensor:
    """Return the mean fall of the score over all steps, (N,) float64.

    Args:
        contributions: of each cell to the score, (N, *cells): HiResCAM.
        maps: that order the cells, likewise.
        keys: order tied cells, (N, L), see :func:`faithcam.removal.orders.order_of`.
    """
    return aopc_of(additive_drops(contributions.flatten(1), order_of(maps.flatten(1), keys)))


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, on the centred logit of the predicted class.

    Args:
        inputs: maps, HiResCAM among them; the network is not asked.
        evaluations: ``order=morf``, the mean fall over all steps, and ``scale=optimum``, its share
            of what HiResCAM's order reaches (NaN where that is not positive).
    """
    scores = Scores()
    faithful = inputs.raw([FAITHFUL])[FAITHFUL]
    optimum = feature_aopc(faithful, faithful)
    keys = inputs.noise.uniform("feature_aopc ties", 0, (faithful[0].numel(),))
    for evaluation in evaluations:
        for method, raw in inputs.raw(evaluation.methods).items():
            value = feature_aopc(faithful, raw, keys)
            if "scale" in evaluation.setting:
                value = torch.where(optimum > 0, value / optimum, torch.nan)
            scores.add(evaluation, method, value, statuses(raw, "signed"))
    return scores
