"""Arguments of the public functions: networks, images and classes as people have them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from faithcam.core import extras
from faithcam.core.errors import FaithcamError
from faithcam.library.bounds import UNIT, Bounds, FromUnit
from faithcam.models.camnet import CamNet
from faithcam.models.graphs import Whole
from faithcam.models.inference import InferenceNet, for_inference, same_logits
from faithcam.models.split_inference import InferenceSplitNet, split_for_inference
from faithcam.models.splitnet import HookedNet, SplitNet, two_sided
from faithcam.models.splitting import split

Parts = CamNet | SplitNet
Classes = int | Sequence[int] | Tensor | None

MOST = 8  # image sizes, layers and bounds of a network that are kept
AT_ONCE = 16  # images in a pass
Kept = dict[Any, Parts]
P = ParamSpec("P")
T = TypeVar("T")
# of every network the state of its weights, and what was made of it by image size and options
_kept: WeakKeyDictionary[nn.Module, tuple[Any, Kept]] = WeakKeyDictionary()


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
    if not isinstance(network, nn.Module):
        raise FaithcamError(f"network: {type(network).__name__} found, expected a torch.nn.Module")
    state = _state(network)
    known, kept = _kept.get(network, ("", {}))
    if known != state:
        kept = {}  # what was made of another network
        _kept[network] = (state, kept)
    key = (tuple(images.shape[1:]), images.device, layer, unit)
    if key not in kept:
        while len(kept) >= MOST:
            kept.pop(next(iter(kept)))
        kept[key] = _prepared(network, images, layer, unit)
    parts = kept[key]
    if isinstance(parts, HookedNet):
        _check_outputs(parts, images if unit is None else unit.to_unit(images), images)
    return parts


def _state(network: nn.Module) -> tuple[Any, ...]:
    """Return what tells a network from itself after a change: layers, attributes, hooks, numbers.

    Of weights their sum and 64 of each tensor count.
    """
    plain = (int, float, str, tuple, type(None))
    attributes = [
        (type(module), *((k, v if isinstance(v, plain) else id(v)) for k, v in said.items()))
        for module in network.modules()
        for said in [{k: v for k, v in vars(module).items() if k[0] != "_" and k != "training"}]
    ]
    hooks = [
        (name, tuple(module._forward_hooks), tuple(module._forward_pre_hooks))
        for name, module in network.named_modules()
        if module._forward_hooks or module._forward_pre_hooks
    ]
    numbers = []
    for tensor in (*network.parameters(), *network.buffers()):
        flat = tensor.detach().flatten()
        some = flat[:: max(1, len(flat) // 64)].double().tolist()
        numbers.append((tensor.data_ptr(), float(flat.sum(dtype=torch.float64)), *some))
    return (repr(network), *attributes, *hooks, *numbers)


def _check_outputs(parts: HookedNet, unit: Tensor, images: Tensor) -> None:
    """Raise FaithcamError if the parts are not the network for some images."""
    whole = next(m for m in parts.modules() if isinstance(m, Whole))
    for i in range(0, len(images), AT_ONCE):
        at = slice(i, i + AT_ONCE)
        if not same_logits(whole(images[at]), parts(unit[at])):
            raise FaithcamError(
                f"network: what stands behind {parts.layer} depends on more than its output for "
                f"some of the images {i} to {i + AT_ONCE - 1}; name a layer that all paths to the "
                "outputs go through"
            )


def _prepared(network: nn.Module, images: Tensor, layer: str | None, unit: Bounds | None) -> Parts:
    parts: Parts = split(network, images, layer)
    if unit is not None:
        scaling = FromUnit(unit, images.ndim - 2).to(images.device)
        parts.features = nn.Sequential(scaling, parts.features)
        images = unit.to_unit(images)
    if images.ndim == 4:
        size, channels = (int(images.shape[2]), int(images.shape[3])), int(images.shape[1])
        parts = parts.cpu()
        if isinstance(parts, CamNet):
            parts = for_inference(parts, size, channels=channels)
        elif not isinstance(parts, HookedNet):
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


@dataclass(frozen=True)
class Ready:
    """A classifier of images, made ready, and what it says of some.

    Args:
        network: in two parts; it takes images in [-1, 1] and has two logits or more.
        images: (N, C, H, W) in [-1, 1].
        backgrounds: training images, likewise, if there are any.
        outputs: logits of the images, (N, C).
    """

    network: Parts
    images: Tensor
    backgrounds: Tensor | None
    outputs: Tensor

    @classmethod
    def of(
        cls,
        network: nn.Module,
        images: Tensor,
        backgrounds: Tensor | None,
        bounds: Any,
        layer: str | None,
        batch_size: int,
    ) -> Ready:
        """Make a network ready; arguments as of :func:`faithcam.evaluate`.

        One logit y for two classes becomes -y / 2 and y / 2, whose softmax is the sigmoid of y.

        Raises:
            FaithcamError: if an argument is not as described there.
        """
        limits, batch = Bounds.of(bounds), checked_images(images, bounds)
        if batch.ndim != 4:
            raise FaithcamError(
                f"images: {tuple(images.shape)} found, expected (N, C, H, W), no volumes"
            )
        parts = prepared(network, batch, layer, None if limits == UNIT else limits)
        unit = limits.to_unit(batch)
        others = None
        if backgrounds is not None:
            others = limits.to_unit(checked_backgrounds(backgrounds, batch, bounds))
        outputs = torch.cat([parts(part) for part in batches(unit, batch_size)])
        if outputs.ndim == 2 and outputs.shape[1] == 1:
            parts = two_sided(parts, 0.5)
            outputs = torch.cat([-outputs, outputs], 1) / 2
        if outputs.ndim != 2:
            raise FaithcamError(
                f"network: outputs {tuple(outputs.shape)} found, expected logits (N, C)"
            )
        return cls(parts, unit, others, outputs)


def batches(images: Tensor, size: int) -> list[Tensor]:
    """Return images in parts of a batch size.

    Raises:
        FaithcamError: if it is none.
    """
    if size < 1:
        raise FaithcamError(f"batch_size: {size} found, expected 1 or more")
    return [images[start : start + size] for start in range(0, len(images), size)]


def plainly(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function compute as outside of inference_mode and autocast, and without gradients.

    What is not installed is an error that says so.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        off = [torch.autocast(device, enabled=False) for device in ("cpu", "cuda")]
        with extras.named(), torch.inference_mode(False), torch.no_grad(), off[0], off[1]:
            return function(*args, **kwargs)

    return call


def named(items: Sequence[Any], argument: str) -> dict[str, Any]:
    """Return names and functions by name, each once.

    Args:
        items: names, or functions of one's own.
        argument: that they are.

    Raises:
        FaithcamError: if there are none, or two of a name.
    """
    found = {m if isinstance(m, str) else getattr(m, "__name__", "own"): m for m in items}
    if len(found) != len(items) or not items:
        raise FaithcamError(
            f"{argument}: {len(items)} found, {', '.join(found) or 'none'}; expected one or more, "
            "each with a name of its own"
        )
    return found


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
    # a copy: an inference tensor cannot be differentiated
    batch = (images[None] if images.ndim == 3 else images).detach().clone().float()
    if bad := (~batch.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist():
        raise FaithcamError(f"images: NaN or infinity found in images {bad}, expected numbers")
    if bounds is not None:
        Bounds.of(bounds).check(batch)
    return batch


def checked_backgrounds(backgrounds: Any, images: Tensor, bounds: Any = None) -> Tensor:
    """Return training images as a batch, float32.

    Raises:
        FaithcamError: if they are not like the images (N, C, H, W).
    """
    others = checked_images(backgrounds, bounds)
    if others.shape[1:] != images.shape[1:]:
        raise FaithcamError(
            f"backgrounds: {tuple(others.shape)} found, expected training images like the images, "
            f"(M, {', '.join(map(str, images.shape[1:]))})"
        )
    return others


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
