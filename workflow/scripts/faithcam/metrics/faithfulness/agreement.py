"""Agreement of maps with Shapley values of parts: the exact contributions of the parts of an image.

A map's answer for a part is the sum of the upsampled raw map over the part's pixels, so that large
parts weigh more; decoys have the lesion's area. The answer of its truth is the part's Shapley
value, and for a decoy, of which no image goes without, the fall of the score when it is drawn
again. The score is the centred logit; maps of the raw logit, those of the thesis protocol, are
held to the same Shapley values of parts.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from faithcam.core.explained import ExplainedScore
from faithcam.core.views import statuses, upsampled
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.curves import drops
from faithcam.metrics.inputs import Inputs, Schemas, Scores
from faithcam.truth.parts import Array, Contributions, contributions, kendall

FEWEST = 3  # parts that an order is made of


def masses(raw: Tensor, masks: Tensor) -> Tensor:
    """Return the sum of upsampled maps over each part's pixels.

    Args:
        raw: raw maps (N, h, w).
        masks: {0, 1}, (N, n, H, W).

    Returns:
        (N, n) float64.
    """
    large = upsampled(raw, (masks.shape[2], masks.shape[3])).double()
    return torch.einsum("nphw,nhw->np", masks.double(), large)


def schemas() -> Schemas:
    """Return the schema of the further table, which needs pyarrow, and what names its rows."""
    from faithcam.metrics.tables import PART_SHAPLEY, PART_SHAPLEY_KEY

    return {"part_shapley": (PART_SHAPLEY, PART_SHAPLEY_KEY)}


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods by Kendall's tau-b of their masses with Shapley values of parts.

    The order of two decoys is not asked for: both say next to nothing, and which says less is
    decided by their texture. With six decoys these would be half of all pairs.
    Parts that an image does not have are left out; with fewer than three the score is undefined.

    Args:
        inputs: with planted parts: ``parts``, ``part_masks`` and ``renderings``, which are those of
            all sets of parts, then of each decoy drawn again, one texture after another.
        evaluations: what is asked; streams are textures of decoys.

    Returns:
        Scores and Shapley values of parts (rows of the table ``part_shapley``).

    Raises:
        ValueError: if there are no masks of parts.
    """
    scores, masks, count = Scores(), inputs.part_masks, len(inputs.parts)
    if masks is None:
        raise ValueError("part_masks: none found, expected those of the planted parts and decoys")
    decoys = masks.shape[1] - count
    falls = _falls(inputs)
    planted = contributions(-falls[:, : 2**count])
    again = {
        replicate: falls[:, 2**count + int(replicate) * decoys :][:, :decoys]
        for (replicate,) in grouped(evaluations, "replicate")
    }
    areas = masks.sum((2, 3)).cpu().numpy()
    for replicate, fall in again.items():
        _add_part_shapley(scores, int(replicate), inputs.parts, planted, fall, areas)
    asked = np.arange(count + decoys) < count
    for (explained_score,), group in grouped(evaluations, "explained_score").items():
        for method in methods_of(group):
            raw = inputs.maps.of(
                method, "predicted", cast(ExplainedScore, explained_score or "centred")
            )
            mass, status = masses(raw, masks).cpu().numpy(), statuses(raw, "signed")
            for evaluation in group:
                if method in evaluation.methods:
                    truth = np.concatenate(
                        [planted.shapley, again[evaluation.setting["replicate"]]], 1
                    )
                    tau = kendall(mass, np.where(areas > 0, truth, np.nan), asked)
                    tau[(areas > 0).sum(1) < FEWEST] = np.nan
                    scores.add(evaluation, method, torch.from_numpy(tau), status)
    return scores


def _falls(inputs: Inputs) -> Array:
    """Return how much lower the centred logit of each rendering is than the image's, (N, R)."""
    logits = torch.stack([inputs.network(pixels) for pixels in inputs.renderings], 1)
    whole = 2 ** len(inputs.parts) - 1
    steps = torch.cat([logits[:, whole : whole + 1], logits], 1)
    falls: Array = drops(steps, inputs.classes, "logit")[:, 1:].cpu().numpy()
    return falls


def _add_part_shapley(
    scores: Scores,
    replicate: int,
    parts: Sequence[str],
    planted: Contributions,
    fall: Array,
    areas: Array,
) -> None:
    """Add a replicate's row of each part and image; planted parts have the same in all streams.

    Args:
        scores: to which rows are added.
        replicate: of the decoys' textures.
        parts: names of the planted parts.
        planted: what they contribute.
        fall: of the score when each decoy is drawn again, (N, D).
        areas: pixels of parts, then decoys, (N, P + D).
    """
    decoys = fall.shape[1]
    consistent = planted.consistent(areas[:, : len(parts)] > 0)
    unknown = np.full((len(areas), decoys), np.nan)
    columns = {
        "shapley": np.concatenate([planted.shapley, unknown], 1),
        "leave_one_out": np.concatenate([planted.leave_one_out, fall], 1),
        "add_one_in": np.concatenate([planted.add_one_in, unknown], 1),
        "interaction": np.concatenate([planted.interaction, unknown], 1),
    }
    for i, part in enumerate((*parts, *(f"decoy{d}" for d in range(decoys)))):
        there = np.flatnonzero(areas[:, i])
        scores.add_rows(
            "part_shapley",
            there.tolist(),
            part=part,
            replicate=replicate,
            area=areas[there, i].tolist(),
            consistent=consistent[there].tolist(),
            **{name: values[there, i].tolist() for name, values in columns.items()},
        )
