"""Integrated Gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faithcam.core.explained import ExplainedScore
from faithcam.maps.method import Method
from faithcam.maps.pixels import cell_sums, explained, with_gradients

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 50


def integrated_gradients(
    model: Any,
    images: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore,
    cells: tuple[int, int],
) -> Tensor:
    """Return sum over a cell's pixels of x times the mean of dy_c/dx on the line from 0 to x.

    The baseline 0 is the middle of the images' range. The map adds up to y_c(x) - y_c(0), up to the
    error of 50 Gauss-Legendre points. Assumes that 0 means "nothing there".

    Takes and returns what :mod:`faithcam.maps.pixels` says.

    Source: arXiv 1703.01365, eq. 1; computed by captum.
    """
    from captum.attr import IntegratedGradients

    with with_gradients():
        attributions = IntegratedGradients(explained(model, explained_score)).attribute(
            images.clone().requires_grad_(),
            baselines=0,
            additional_forward_args=classes.clone(),
            n_steps=STEPS,
            method="gausslegendre",
            internal_batch_size=len(images),
        )
    return cell_sums(attributions.detach(), cells)


METHODS = {
    "integrated_gradients": Method(
        integrated_gradients, "arXiv 1703.01365", passes=lambda network: STEPS, backward=True
    )
}
