"""Infidelity: how badly a map predicts what replacing a part of the image does to the score.

Source: arXiv 1901.09392, definition 2.1, with square removal and, as there in the experiments, the
scale of the map that fits best. A map of the last layer says what its cells contribute, so the
squares are made of native cells, and a square's prediction is the sum of its cells. Here keyed
noise replaces the pixels, as in AOPC's strict protocol, and the score is the centred logit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.occluded import centred
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.grid import grid, region_of


def squares(numbers: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return random squares of cells: of any side that fits, then of any place.

    Args:
        numbers: in [0, 1), (N, 3): for side, row and column.
        cells: (h, w) of the maps.

    Returns:
        (N, h, w) bool.
    """
    height, width = cells
    side = (numbers[:, 0] * min(cells)).long() + 1
    inside = []
    for number, count in ((numbers[:, 1], height), (numbers[:, 2], width)):
        first = (number * (count - side + 1)).long()[:, None]
        places = torch.arange(count, device=numbers.device)
        inside.append((places >= first) & (places < first + side[:, None]))
    return inside[0][:, :, None] & inside[1][:, None]


def infidelity(predicted: Tensor, changes: Tensor) -> dict[str, Tensor]:
    """Return the mean squared difference of predicted and observed changes over perturbations.

    Args:
        predicted: sum of the map over the part replaced, (S, N).
        changes: how far the score falls, (S, N).

    Returns:
        (N,) float64 each: ``raw``; ``best``, of the map times the positive number, or 0, that
        makes it least: a map's scale is arbitrary, its sign is not; and ``r2``, 1 - R^2 of that
        fit, which has no intercept: ``best`` as a share of the changes' mean square, 0 to 1 (NaN
        without any change). Networks with large logits do not dominate its mean.
    """
    predicted, changes = predicted.double(), changes.double()
    power = predicted.square().sum(0)
    factor = ((predicted * changes).sum(0) / torch.where(power == 0, 1, power)).clamp(min=0)
    best = (factor * predicted - changes).square().mean(0)
    return {
        "raw": (predicted - changes).square().mean(0),
        "best": best,
        "r2": best / changes.square().mean(0),
    }


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods under the same perturbations."""
    scores, raw = Scores(), inputs.raw(methods_of(evaluations))
    status = {method: statuses(maps, "signed") for method, maps in raw.items()}
    cells, clean = next(iter(raw.values())).shape[1:], centred(inputs, inputs.images)
    for (replicate, samples), asked in grouped(evaluations, "replicate", "samples").items():
        parts, after = _perturbed(inputs, (cells[0], cells[1]), replicate, int(samples))
        for method in methods_of(asked):
            predicted = (parts * raw[method].double()).sum((2, 3))
            scales = infidelity(predicted, clean - after)
            for evaluation in asked:
                if method in evaluation.methods:
                    values = scales[evaluation.setting["scale"]]
                    scores.add(evaluation, method, values, status[method])
    return scores


def _perturbed(
    inputs: Inputs, cells: tuple[int, int], replicate: str, samples: int
) -> tuple[Tensor, Tensor]:
    """Return which cells are replaced, (S, N, h, w), and the scores then, (S, N)."""
    images = inputs.images
    cell_of = region_of(grid(size_of(images), cells)).to(images.device)
    shape, masks, scores = (inputs.channels, *images.shape[2:]), [], []
    for draw in range(samples):
        numbers = inputs.noise.uniform(f"infidelity squares {replicate}", draw, (3,))
        masks.append(squares(numbers, cells))
        noise = inputs.noise.symmetric(f"infidelity {replicate}", draw, shape)
        replaced = masks[-1].flatten(1)[:, cell_of][:, None]
        scores.append(centred(inputs, torch.where(replaced, noise, images)))
    return torch.stack(masks), torch.stack(scores)
