"""Arguments of the public functions: networks, images and classes as people have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.models.camnet import CamNet
from faithcam.models.inference import (
    InferenceNet,
    InferenceSplitNet,
    for_inference,
    split_for_inference,
)
from faithcam.models.splitnet import SplitNet
from faithcam.models.splitting import split

Parts = CamNet | SplitNet
Classes = int | Sequence[int] | Tensor | None

Kept = dict[Any, Parts]
# of every network the state of its weights, and what was made of it by image size and options
_kept: WeakKeyDictionary[nn.Module, tuple[Any, Kept]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Bounds:
    """Smallest and largest value that images can have, such as those of black and white.

    Args:
        low: of every channel, or one for each.
        high: likewise.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, bounds: Any) -> Bounds:
        """Return the bounds (low, high) of an argument: numbers, or lists of one per channel.

        Raises:
            FaithcamError: if they are none.
        """
        try:
            low, high = (
                tuple(float(v) for v in (each if isinstance(each, Iterable) else [each]))
                for each in bounds
            )
        except (TypeError, ValueError):
            low, high = (), ()
        below = len(low) == len(high) and all(a < b for a, b in zip(low, high, strict=True))
        if not low or not below:
            raise FaithcamError(
                f"bounds: {bounds} found, expected (low, high): numbers, or one per channel"
            )
        return cls(low, high)

    def _sides(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(images.new_tensor(side).view(-1, 1, 1) for side in (self.low, self.high))  # type: ignore[return-value]

    def check(self, images: Tensor) -> None:
        """Raise FaithcamError if images (N, C, H, W) are outside, but for rounding."""
        low, high = self._sides(images)
        spare = 1e-4 * (high - low)
        if bool(((images < low - spare) | (images > high + spare)).any()):
            low_found, high_found = (float(value) for value in images.aminmax())
            raise FaithcamError(
                f"images: values from {low_found:.4g} to {high_found:.4g} found, expected "
                f"{_text(self.low)} to {_text(self.high)}; scale them as the network was trained, "
                "or give their bounds"
            )

    def to_unit(self, images: Tensor) -> Tensor:
        """Return images scaled to [-1, 1]."""
        low, high = self._sides(images)
        return (images - low) / (high - low) * 2 - 1

    def from_unit(self, images: Tensor) -> Tensor:
        """Return images in [-1, 1] scaled to the bounds."""
        low, high = self._sides(images)
        return (images + 1) / 2 * (high - low) + low


def _text(side: tuple[float, ...]) -> str:
    return f"{side[0]:g}" if len(side) == 1 else f"({', '.join(f'{v:g}' for v in side)})"


class _FromUnit(nn.Module):
    """Images in [-1, 1] -> as a network takes them."""

    low: Tensor
    scale: Tensor

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.register_buffer("low", torch.tensor(bounds.low).view(-1, 1, 1))
        self.register_buffer("scale", (torch.tensor(bounds.high).view(-1, 1, 1) - self.low) / 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return the images scaled."""
        scaled: Tensor = (images + 1) * self.scale + self.low
        return scaled


def prepared(
    network: nn.Module, images: Tensor, layer: str | None = None, unit: Bounds | None = None
) -> Parts:
    """Return a network in two parts, made fast, in eval mode and float32; the one given stays.

    What is prepared is kept as long as the network lives and its weights stay the same.

    Args:
        network: any CNN.
        images: (N, C, H, W), as it takes them.
        layer: see :func:`faithcam.models.splitting.split`.
        unit: if given, the network that is returned takes images in [-1, 1], which stand for these.
    """
    if isinstance(network, InferenceNet | InferenceSplitNet) and layer is None and unit is None:
        return network
    tensors = (*network.parameters(), *network.buffers())
    state = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
    known, kept = _kept.get(network, ((), {}))
    if known != state:
        kept = {}  # what was made of other weights
        _kept[network] = (state, kept)
    key = (tuple(images.shape[1:]), images.device, layer, unit)
    if key not in kept:
        kept[key] = _prepared(network, images, layer, unit)
    return kept[key]


def _prepared(network: nn.Module, images: Tensor, layer: str | None, unit: Bounds | None) -> Parts:
    parts: Parts = split(network, images, layer)
    if unit is not None:
        parts.features = nn.Sequential(_FromUnit(unit), parts.features).to(images.device)
        images = unit.to_unit(images)
    if images.ndim == 4:
        size, channels = (int(images.shape[2]), int(images.shape[3])), int(images.shape[1])
        parts = parts.cpu()
        if isinstance(parts, CamNet):
            parts = for_inference(parts, size, channels=channels)
        else:
            parts = split_for_inference(parts, size, channels)
        parts = parts.to(images.device)
    with torch.no_grad():
        shape = tuple(parts.activations(images[:1]).shape)
    if len(shape) not in (4, 5):
        raise FaithcamError(
            f"network: its features must return (N, K, h, w), found {shape}; give layers that "
            "return a grid of cells"
        )
    return parts


def checked_images(images: Any, bounds: Any = None) -> Tensor:
    """Return images as a batch, float32.

    Args:
        images: (C, H, W) or (N, C, H, W); of networks for volumes with one axis more.
        bounds: smallest and largest value that they can have, if that is to be checked
            (:meth:`Bounds.of`).

    Raises:
        FaithcamError: if they are none.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise FaithcamError(
            f"images: {found} found, expected a tensor of floats, scaled as the network was trained"
        )
    if images.ndim not in (3, 4, 5) or not images.numel():
        raise FaithcamError(
            f"images: {tuple(images.shape)} found, expected (C, H, W), (N, C, H, W) or, of "
            "volumes, one axis more"
        )
    batch = (images[None] if images.ndim == 3 else images).detach().float()
    if bad := (~batch.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist():
        raise FaithcamError(f"images: NaN or infinity found in images {bad}, expected numbers")
    if bounds is not None:
        Bounds.of(bounds).check(batch)
    return batch


def checked_classes(classes: Classes, outputs: Tensor) -> Tensor:
    """Return the class to explain of each image, (N,) int64: the predicted ones, if not given.

    Args:
        classes: a number for all images, or one for each.
        outputs: of the network, (N, C): logits, or one logit of two classes.

    Raises:
        FaithcamError: if they are no classes of the network.
    """
    count, known = outputs.shape[0], max(2, outputs.shape[1])
    if classes is None:
        single = outputs.shape[1] == 1
        return (outputs[:, 0] > 0).long() if single else outputs.argmax(1)
    given = torch.as_tensor(classes, device=outputs.device)
    if given.is_floating_point() or given.dtype == torch.bool or given.is_complex():
        raise FaithcamError(f"classes: {given.dtype} found, expected whole numbers")
    given = given.long().expand(count) if given.ndim == 0 else given.long()
    if given.shape != (count,) or bool(((given < 0) | (given >= known)).any()):
        raise FaithcamError(
            f"classes: {given.tolist()} found, expected a number from 0 to {known - 1} for each of "
            f"{count} images"
        )
    return given
