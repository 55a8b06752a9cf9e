"""Arguments of the public functions: networks, images and classes as people have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.core.views import size_of
from faithcam.models.camnet import CamNet
from faithcam.models.inference import InferenceNet, for_inference
from faithcam.models.splitnet import SplitNet
from faithcam.models.splitting import split

Parts = CamNet | SplitNet
Classes = int | Sequence[int] | Tensor | None

_kept: WeakKeyDictionary[nn.Module, dict[Any, Parts]] = WeakKeyDictionary()


def prepared(network: nn.Module, images: Tensor, layer: str | None = None) -> Parts:
    """Return a network in two parts, made fast, in eval mode and float32; the one given stays.

    What is prepared is kept as long as the network lives and its weights stay the same.

    Args:
        network: any CNN.
        images: (N, C, H, W).
        layer: see :func:`faithcam.models.splitting.split`.
    """
    tensors = (*network.parameters(), *network.buffers())
    state = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
    key = (state, tuple(images.shape[1:]), images.device, layer)
    kept = _kept.setdefault(network, {})
    if key not in kept:
        kept.clear()  # of other weights or images: a network is a lot of memory
        kept[key] = _prepared(network, images, layer)
    return kept[key]


def _prepared(network: nn.Module, images: Tensor, layer: str | None) -> Parts:
    ready = isinstance(network, InferenceNet) and layer is None
    parts: Parts = network if ready else split(network, images, layer)  # type: ignore[assignment]
    if isinstance(parts, CamNet) and not ready:
        height, width = size_of(images)[-2:]
        parts = for_inference(parts.cpu(), (height, width)).to(images.device)
    with torch.no_grad():
        shape = tuple(parts.activations(images[:1]).shape)
    if len(shape) not in (4, 5):
        raise FaithcamError(
            f"network: its features must return (N, K, h, w), found {shape}; give layers that "
            "return a grid of cells"
        )
    return parts


def checked_images(images: Any, bounds: tuple[float, float] | None = None) -> Tensor:
    """Return images as a batch, float32.

    Args:
        images: (C, H, W) or (N, C, H, W); of networks for volumes with one axis more.
        bounds: smallest and largest value that they can have, if that is to be checked.

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
    low, high = (float(value) for value in batch.aminmax())
    if bounds is not None and (low < bounds[0] or high > bounds[1]):
        raise FaithcamError(
            f"images: values from {low:.4g} to {high:.4g} found, expected {bounds[0]} to "
            f"{bounds[1]}; scale them as the network was trained"
        )
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
