"""Convergence: what AOPC and Max-Sensitivity say after a growing number of draws and samples.

Draws and samples are those of the metrics themselves, in their order, and more.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.curves import aopc_of, drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.robustness.sensitivity import Sensitivity, moved
from faithcam.removal.grid import grid
from faithcam.removal.orders import order_of


def score(inputs: Inputs, evaluations: Sequence[Evaluation], *, radius: float) -> Scores:
    """Score the maps draw by draw and sample by sample.

    Args:
        inputs: images of a network with a Flatten head.
        evaluations: what is asked.
        radius: of Max-Sensitivity.
    """
    scores, methods = Scores(), methods_of(evaluations)
    given = inputs.givens(methods)
    sensitivity = Sensitivity(
        inputs.network, inputs.images, inputs.classes, methods, "signed", ["centred"], given
    )
    raw = sensitivity.raw["centred"]
    status = {method: statuses(maps, "signed") for method, maps in raw.items()}
    if asked := grouped(evaluations, "metric").get(("aopc",)):
        draws = [int(evaluation.setting["draw"]) for evaluation in asked]
        of_draws = _aopc_of_draws(inputs, raw, max(draws) + 1)
        for evaluation, draw in zip(asked, draws, strict=True):
            for method in evaluation.methods:
                scores.add(evaluation, method, of_draws[method][draw], status[method])
    for (block,), asked in grouped(evaluations, "block").items():
        if block:
            _score_samples(inputs, sensitivity, block, asked, radius, status, scores)
    return scores


def _aopc_of_draws(inputs: Inputs, raw: Mapping[str, Tensor], draws: int) -> dict[str, Tensor]:
    """Return the AOPC of every noise draw alone (strict, native cells, probability): (draws, N)."""
    cells = tuple(next(iter(raw.values())).shape[1:])
    ties = inputs.noise.uniform("aopc ties", 0, (next(iter(raw.values()))[0].numel(),))
    orders = [order_of(maps.flatten(1), ties) for maps in raw.values()]
    noise = inputs.replacements("noise", 0, draws)
    regions = grid(size_of(inputs.images), cells)
    logits = inputs.removal.logits(inputs.images, orders, regions, noise)
    return {
        method: aopc_of(drops(part, inputs.classes, "probability"))
        for method, part in zip(raw, logits, strict=True)
    }


def _score_samples(
    inputs: Inputs,
    sensitivity: Sensitivity,
    block: str,
    asked: Sequence[Evaluation],
    radius: float,
    status: Mapping[str, list[str]],
    scores: Scores,
) -> None:
    """Add the relative Max-Sensitivity of a replicate's first samples."""
    by_samples = {int(evaluation.setting["samples"]): evaluation for evaluation in asked}
    shape, methods = tuple(inputs.images.shape[1:]), methods_of(asked)
    for draw in range(max(by_samples)):
        noise = inputs.noise.symmetric(f"max_sensitivity strict {block}", draw, shape)
        noisy = moved(inputs.images, radius, noise, clip=True)
        sensitivity.add(block, noisy, {"centred": methods})
        if evaluation := by_samples.get(draw + 1):
            worst = sensitivity.worst(block, "centred")
            for method in evaluation.methods:
                scores.add(evaluation, method, worst[method]["relative"], status[method])
