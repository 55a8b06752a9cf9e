"""What of a network is explained: a class's logit, a sum over pixels, a score of one's own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.library.prepare import Classes, Parts, checked_classes
from faithcam.models.splitnet import Sides, SplitNet, two_sided

Score = ExplainedScore | Callable[[Tensor], Tensor]


class _Score(nn.Module):
    """Outputs -> the score of one's own, as the only logit."""

    def __init__(self, score: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._score = score

    def forward(self, outputs: Tensor) -> Tensor:
        """Return (N, 1)."""
        values = self._score(outputs)
        if not isinstance(values, Tensor) or values.shape != outputs.shape[:1]:
            found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise FaithcamError(
                f"score: {found} found, expected a number per image, ({len(outputs)},)"
            )
        return values[:, None]


class _OverMask(nn.Module):
    """Outputs at each pixel (N, C, H, W) -> their sums over masks (N, H, W): (N, C)."""

    def __init__(self, masks: Tensor) -> None:
        super().__init__()
        self._masks = masks

    def forward(self, outputs: Tensor) -> Tensor:
        """Return (N, C)."""
        return (outputs * self._masks[:, None]).flatten(2).sum(2)


class _Logits(nn.Module):
    """The head of a network as a layer."""

    def __init__(self, network: Parts) -> None:
        super().__init__()
        self._network = network

    def forward(self, activations: Tensor) -> Tensor:
        """Return the logits."""
        return self._network.logits(activations)


class _Activations(nn.Module):
    """The features of a network as a layer."""

    def __init__(self, network: Parts) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return A."""
        return self._network.activations(images)


def _as_split(parts: Parts) -> SplitNet:
    if isinstance(parts, SplitNet):
        return parts
    return SplitNet(_Activations(parts), _Logits(parts))


def explained_by(
    parts: Parts, outputs: Tensor, classes: Classes, score: Score, masks: Tensor | None
) -> tuple[Callable[[slice], Parts], Tensor]:
    """Return what gives some of the images' networks whose logits are explained, and the classes.

    Args:
        parts: the network.
        outputs: of all images.
        classes: see :func:`faithcam.explain`, as the other arguments.
        score: see there.
        masks: see there.

    Raises:
        FaithcamError: if they do not fit the network.
    """
    if callable(score):
        if classes is not None or masks is not None:
            raise FaithcamError("score: a function and classes or masks found, expected it alone")
        split = _as_split(parts).with_tail(_Score(score))
        return lambda part: split, torch.zeros(
            len(outputs), dtype=torch.long, device=outputs.device
        )
    if outputs.ndim == 2:
        if masks is not None:
            raise FaithcamError(
                f"masks: given, but the network's outputs are {tuple(outputs.shape)}, not of pixels"
            )
        chosen = checked_classes(classes, outputs)
        network: Parts = two_sided(parts) if outputs.shape[1] == 1 else parts
        return lambda part: network, chosen
    if outputs.ndim not in (4, 5):
        raise FaithcamError(
            f"network: outputs {tuple(outputs.shape)} found, expected (N, C); say by score= what "
            "is explained"
        )
    if classes is None:
        raise FaithcamError("classes: none found, expected the class whose pixels are explained")
    whole = _as_split(parts)
    if outputs.shape[1] == 1:
        outputs, whole = Sides()(outputs), whole.with_tail(Sides())
    chosen = checked_classes(classes, outputs)
    if masks is None:
        masks = outputs.argmax(1) == chosen.view(-1, *[1] * (outputs.ndim - 2))
    if masks.shape != (len(outputs), *outputs.shape[2:]):
        raise FaithcamError(
            f"masks: {tuple(masks.shape)} found, expected {(len(outputs), *outputs.shape[2:])}"
        )
    if empty := (~masks.bool().flatten(1).any(1)).nonzero()[:, 0].tolist():
        raise FaithcamError(f"masks: no pixel found in images {empty}; give masks with some")
    known = torch.as_tensor(masks)
    return lambda part: whole.with_tail(_OverMask(known[part].to(outputs))), chosen
