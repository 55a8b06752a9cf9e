"""Likeness of a network's maps and those of networks with new weights."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from faithcam.core.ranks import ranks, spearman
from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.inputs import Scores


def likeness(trained: Tensor, new: Sequence[Tensor]) -> Tensor:
    """Return Spearman's rank correlation of maps with those of each other network.

    Args:
        trained: maps of the trained network, (N, *cells).
        new: of the other networks, likewise.

    Returns:
        (networks, N) float64; NaN where a map is constant or not finite.
    """
    ordered = ranks(trained)
    return torch.stack([spearman(ordered, ranks(maps)) for maps in new])


def likeness_scores(
    evaluations: Sequence[Evaluation], maps: Mapping[int, Sequence[Mapping[str, Tensor]]]
) -> Scores:
    """Return the likeness at a stage, or its mean over all stages.

    After the last layer is new, further stages change nothing.

    Args:
        evaluations: what is asked: ``stage`` and ``replicate``.
        maps: by replicate those of the trained network, then those of each stage's, by method.
    """
    scores = Scores()
    for (replicate,), asked in grouped(evaluations, "replicate").items():
        trained, *new = maps[int(replicate)]
        for method in methods_of(asked):
            alike = likeness(trained[method], [stage[method] for stage in new])
            status = statuses(trained[method], "signed")
            for evaluation in asked:
                if method in evaluation.methods:
                    values = _of_stage(alike, evaluation.setting["stage"])
                    scores.add(evaluation, method, values, status)
    return scores


def _of_stage(alike: Tensor, stage: str) -> Tensor:
    return alike.mean(0) if stage == "mean" else alike[min(int(stage), len(alike)) - 1]
