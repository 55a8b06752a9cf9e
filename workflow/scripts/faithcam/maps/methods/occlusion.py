"""Occlusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faithcam.core.explained import ExplainedScore
from faithcam.maps.method import Method
from faithcam.maps.pixels import cell_of, explained

if TYPE_CHECKING:
    from torch import Tensor


def occlusion(
    model: Any,
    images: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore,
    cells: tuple[int, int],
) -> Tensor:
    """Return the fall of the score when a cell's pixels, and no others, become 0.

    A window is a native cell, and windows do not overlap. Assumes that 0, the middle of the images'
    range, means "nothing there", and ignores what cells say together.

    Takes and returns what :mod:`faithcam.maps.pixels` says.

    Source: arXiv 1311.2901; computed by captum.
    """
    import torch
    from captum.attr import FeatureAblation

    rows, columns = (
        cell_of(pixels, count, images.device)
        for pixels, count in zip(images.shape[2:], cells, strict=True)
    )
    # Occlusion's windows are all of one size; cells need not be
    window = (rows[:, None] * cells[1] + columns)[None, None]
    falls: Tensor = FeatureAblation(explained(model, explained_score)).attribute(
        images, baselines=0, additional_forward_args=classes, feature_mask=window
    )
    # all pixels of a window have its fall: take its first one
    first_rows, first_columns = (
        torch.arange(count, device=images.device) * pixels // count
        for pixels, count in zip(images.shape[2:], cells, strict=True)
    )
    result: Tensor = falls[:, 0][:, first_rows][:, :, first_columns]
    return result


METHODS = {
    "occlusion": Method(
        occlusion,
        "arXiv 1311.2901",
        passes=lambda network: network.cells**2 + 1,
    )
}
