"""Gradient x Input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faithcam.core.explained import ExplainedScore
from faithcam.maps.method import Method
from faithcam.maps.pixels import cell_sums, explained, with_gradients

if TYPE_CHECKING:
    from torch import Tensor


def gradient_x_input(
    model: Any,
    images: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore,
    cells: tuple[int, int],
) -> Tensor:
    """Return sum over a cell's pixels of dy_c/dx * x.

    Assumes that the score is nearly linear between the image and 0, the middle of its range.

    Takes and returns what :mod:`faithcam.maps.pixels` says.

    Source: arXiv 1605.01713; computed by captum.
    """
    from captum.attr import InputXGradient

    with with_gradients():
        attributions = InputXGradient(explained(model, explained_score)).attribute(
            images.clone().requires_grad_(), additional_forward_args=classes.clone()
        )
    return cell_sums(attributions.detach(), cells)


METHODS = {
    "gradient_x_input": Method(
        gradient_x_input, "arXiv 1605.01713", passes=lambda network: 1, backward=True
    )
}
