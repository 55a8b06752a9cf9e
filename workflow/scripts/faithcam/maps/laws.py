"""Laws of the maps that every trained model must obey, checked in float32 on every explained image.

Source of the laws and tolerances: arXiv 2011.08891 (completeness), 1512.04150 (GAP identity).
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from faithcam.core.explained import ExplainedScore, scores
from faithcam.maps.explain import ClosedForm, autograd_gradients, gradients
from faithcam.maps.methods import cam, gradcam, hirescam
from faithcam.models.camnet import CamNet
from faithcam.results.laws import Check


@runtime_checkable
class Uncut(Protocol):
    """A network whose parts have the whole network behind them."""

    @property
    def whole(self) -> nn.Module:
        """The network that was cut."""


def _ratio(difference: Tensor, reference: Tensor, tolerance: float = 1e-5) -> Tensor:
    """Return max|difference| / (tolerance max|reference|) of each map (0 where nothing differs)."""
    worst = difference.abs().flatten(1).amax(1)
    allowed = tolerance * reference.abs().flatten(1).amax(1)
    return torch.where(worst == 0, 0.0, worst / allowed)


@torch.no_grad()
def check_images(model: CamNet, images: Tensor, classes: Tensor) -> list[Check]:
    """Check one batch.

    Args:
        model: in eval mode.
        images: (N, 3, H, W), or volumes (N, S, 3, H, W) for an ``AxialNet``.
        classes: class explained, (N,).

    Returns:
        One check per law; which laws apply depends on the head. What maps of a head other than
        Flatten or GAP and one linear layer add up to is not checked, but measured.
    """
    A = model.activations(images)
    logits = model.logits(A)
    if not isinstance(model, ClosedForm):
        return _same_outputs(model, images, logits) if isinstance(model, Uncut) else []
    checks: list[Check] = []
    explained_scores: tuple[ExplainedScore, ...] = ("logit", "centred")
    for explained_score in explained_scores:
        closed = gradients(model, A, classes, explained_score)
        by_autograd = autograd_gradients(model, A, classes, explained_score)
        for method in (hirescam.hirescam, gradcam.gradcam):
            raw = method(A, closed)
            checks.append(
                Check(
                    f"closed form = autograd, {method.__name__}, {explained_score}",
                    _ratio(raw - method(A, by_autograd), raw),
                    "1e-5 max|map|",
                )
            )
        faithful = hirescam.hirescam(A, closed)
        checks += _additivity(model, A, logits, classes, explained_score, faithful, closed)
        if model.head == "gap":
            checks += _gap_identity(model, A, classes, explained_score, by_autograd)
    return checks


def _same_outputs(model: Uncut, images: Tensor, logits: Tensor) -> list[Check]:
    """Check that a network that was cut by hooks is its two parts, for these images, too."""
    expected = model.whole(images)
    errors = _ratio(logits - expected, expected, 1e-4)
    return [Check("the two parts are the network", errors, "1e-4 max|logit|")]


def _gap_identity(
    model: CamNet, A: Tensor, classes: Tensor, explained_score: ExplainedScore, gradient: Tensor
) -> list[Check]:
    """Check the generic forms, from the broadcast gradient (N, K, h, w), against the FC weights."""
    weights = model.classifier.weight
    chosen = weights[classes] - (weights.mean(0) if explained_score == "centred" else 0)
    rows = A.flatten(2, -2)  # of all slices, one below the other
    published = torch.einsum("nk,nkhw->nhw", chosen, rows).reshape(len(A), *A.shape[2:])
    averaged = gradcam.gradcam(A, gradient)
    cells = A.shape[2:].numel()
    tolerance = "1e-5 max|map|"
    return [
        Check(
            f"gradcam = hirescam, {explained_score}",
            _ratio(averaged - hirescam.hirescam(A, gradient), averaged),
            tolerance,
        ),
        Check(
            f"gradcam = cam / Z, {explained_score}",
            _ratio(averaged - published / cells, averaged),
            tolerance,
        ),
        Check(
            f"cam = sum_k w_k A_k, {explained_score}",
            _ratio(cam.cam(A, gradient.mean(_places(A)[1:], keepdim=True)) - published, published),
            tolerance,
        ),
    ]


def _places(tensor: Tensor) -> tuple[int, ...]:
    """Return all dimensions but the images'."""
    return tuple(range(1, tensor.ndim))


def _additivity(
    model: CamNet,
    A: Tensor,
    logits: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore,
    faithful: Tensor,
    weights: Tensor,
) -> list[Check]:
    bias = model.classifier.bias.double().expand(len(A), -1)
    magnitude = (weights * A).double().abs().sum(_places(A))
    allowed = 1e-5 * magnitude + 1e-4
    score = scores(logits.double(), classes, explained_score)
    missing = (
        faithful.double().sum(_places(faithful)) + scores(bias, classes, explained_score) - score
    )
    # the more relevant half of the cells is set to zero: the score must fall by their sum
    medians = faithful.flatten(1).median(1).values
    half = faithful >= medians.reshape(-1, *[1] * (faithful.ndim - 1))
    removed = model.logits(torch.where(half[:, None], 0.0, A))
    fall = score - scores(removed.double(), classes, explained_score)
    predicted_fall = (faithful.double() * half).sum(_places(faithful))
    formula = "1e-5 sum|W_c A| + 1e-4"
    return [
        Check(f"completeness of hirescam, {explained_score}", missing.abs() / allowed, formula),
        Check(
            f"removal of cells lowers the score by their hirescam, {explained_score}",
            (fall - predicted_fall).abs() / allowed,
            formula,
        ),
    ]
