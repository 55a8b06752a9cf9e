"""Single deletion: whether a map orders cells by what the score loses when one of them is replaced.

Source: arXiv 2407.11910, section 3, and for parts instead of cells 2308.06248. There a network is
trained further on images that lack cells ("in-domain"); here it is asked as it is. Cells are the
native ones, the score is the centred logit.
"""

from collections.abc import Sequence

from torch import Tensor

from faithcam.core.ranks import ranks, spearman
from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.occluded import defined, occlusion
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.grid import grid


def single_deletion(maps: Tensor, falls: Tensor) -> Tensor:
    """Return Spearman's correlation of maps with the falls of the score, cell by cell.

    Args:
        maps: raw, (N, *cells).
        falls: of the score when the cell alone is replaced, likewise.

    Returns:
        (N,) float64; NaN where one of them is the same in all cells.
    """
    return spearman(ranks(maps), ranks(falls))


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods by the same falls; undefined where no cell makes a difference."""
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    cells = tuple(next(iter(raw.values())).shape[1:])
    regions = grid(size_of(inputs.images), cells)
    for (imputer,), asked in grouped(evaluations, "imputer").items():
        falls = occlusion(inputs, cells, inputs.replacements(imputer, regions=regions))
        for evaluation in asked:
            for method in evaluation.methods:
                values = single_deletion(raw[method], falls)
                seen = statuses(raw[method], "signed")
                scores.add(evaluation, method, values, defined(values, seen))
    return scores
