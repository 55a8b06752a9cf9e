"""Localisation: how much of a map lies in a mask.

What is positive in the raw map is upsampled and compared with the mask. Sources: the pointing game,
arXiv 1608.00507 (without its tolerance in pixels); relevance mass and rank accuracy, arXiv
2003.07258.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.views import size_of, statuses, upsampled
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.inputs import Inputs, Scores


def localisation(maps: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Return three measures of each map, (N,) float64 in [0, 1]; NaN for blank maps, empty masks.

    Args:
        maps: not negative, (N, H, W), or (N, S, H, W) of volumes.
        masks: bool, like the maps.

    Returns:
        ``pointing``: 1 if the maximum lies in the mask; of tied maxima, the share that does.
        ``mass``: the share of the map's sum that does. ``rank``: of the K largest pixels, K those
        of the mask, the share that does; pixels that tie for the last places share them.
    """
    values, inside = maps.flatten(1).double(), masks.flatten(1)
    peak = values.amax(1, keepdim=True)
    wanted = inside.sum(1, keepdim=True)
    defined = (peak[:, 0] > 0) & (wanted[:, 0] > 0)

    last = values.sort(1, descending=True).values.gather(1, (wanted - 1).clamp(min=0))
    above, tied, at_peak = values > last, values == last, values == peak
    share = (wanted[:, 0] - above.sum(1)).double() / tied.sum(1)
    hits = (above & inside).sum(1) + share * (tied & inside).sum(1)
    measures = {
        "pointing": (at_peak & inside).sum(1).double() / at_peak.sum(1),
        "mass": (values * inside).sum(1) / values.sum(1),
        "rank": hits / wanted[:, 0],
    }
    return {kind: torch.where(defined, measure, torch.nan) for kind, measure in measures.items()}


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods; images whose mask is empty get the status ``empty_mask``.

    Args:
        inputs: maps and masks; the network is not asked.
        evaluations: what is asked; their settings name the masks.
    """
    scores, by_mask = Scores(), grouped(evaluations, "mask")
    for method, raw in inputs.raw(methods_of(evaluations)).items():
        view = upsampled(raw.clamp(min=0), size_of(inputs.images))
        blank = [status == "blank_map" for status in statuses(raw, "scaled")]
        for (name,), asked in by_mask.items():
            mask = inputs.masks[name]
            status = [
                "empty_mask" if empty else "blank_map" if none else "ok"
                for empty, none in zip((~mask.flatten(1).any(1)).tolist(), blank, strict=True)
            ]
            measures = localisation(view, mask)
            for evaluation in asked:
                if method in evaluation.methods:
                    scores.add(evaluation, method, measures[evaluation.setting["kind"]], status)
    return scores
