"""Faithfulness correlation: whether a map's sums over sets of cells say how far the score falls.

Source: arXiv 2005.00631, eq. 1. There features are replaced by a baseline value; here native cells
turn grey (0, the middle of the images' range), and the score is the centred logit. By the size of
the sets it is sensitivity-n (arXiv 1711.06104).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.ranks import correlation
from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.occluded import centred, defined
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.grid import grid, region_of


def subset(numbers: Tensor, count: int) -> Tensor:
    """Return a random set of cells for each image, all sets of this size as likely.

    Args:
        numbers: in [0, 1), one per cell, (N, L).
        count: cells of a set.

    Returns:
        (N, L) bool.
    """
    chosen = numbers.argsort(dim=1, stable=True)[:, :count]
    return torch.zeros_like(numbers, dtype=torch.bool).scatter(1, chosen, value=True)


def faithfulness_correlation(sums: Tensor, falls: Tensor) -> Tensor:
    """Return Pearson's correlation over sets of cells.

    Args:
        sums: of a map over the cells of each set, (S, N).
        falls: of the score when they are replaced together, (S, N).

    Returns:
        (N,) float64; NaN where one of them is the same for all sets.
    """
    return correlation(sums.T.double(), falls.T.double())


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods by the same sets of cells; undefined where none makes a difference."""
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    cells = tuple(next(iter(raw.values())).shape[1:])
    clean = centred(inputs, inputs.images)
    names = ("replicate", "share", "subsets")
    for (replicate, share, subsets), asked in grouped(evaluations, *names).items():
        chosen, after = _replaced(inputs, cells, replicate, float(share), int(subsets))
        for method in methods_of(asked):
            flat = raw[method].flatten(1).double()
            values = faithfulness_correlation((chosen * flat).sum(2), clean - after)
            seen = defined(values, statuses(raw[method], "signed"))
            for evaluation in asked:
                if method in evaluation.methods:
                    scores.add(evaluation, method, values, seen)
    return scores


def _replaced(
    inputs: Inputs, cells: tuple[int, ...], replicate: str, share: float, subsets: int
) -> tuple[Tensor, Tensor]:
    """Return which cells are replaced, (S, N, L), and the scores then, (S, N)."""
    cell_of = region_of(grid(size_of(inputs.images), cells)).to(inputs.images.device)
    count = int(cell_of.max()) + 1
    chosen, scores = [], []
    for draw in range(subsets):
        purpose = f"faithfulness correlation {replicate} {share}"
        numbers = inputs.noise.uniform(purpose, draw, (count,))
        chosen.append(subset(numbers, max(1, round(share * count))))
        gone = chosen[-1][:, cell_of].unsqueeze(-3)
        scores.append(centred(inputs, torch.where(gone, 0, inputs.images)))
    return torch.stack(chosen), torch.stack(scores)
