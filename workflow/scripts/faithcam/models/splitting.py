"""Any CNN in two parts, features | head, cut where its last activations are.

A *cut* is a tensor that everything behind it is computed from alone. The target tensor A is the
last cut with space (two cells or more) before the last layer with weights, and before adaptive
pooling: what the classifier looks at. The network is traced for this by ``torch.fx``; one that
cannot be traced is cut behind a module, by hooks.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.models import hooked
from faithcam.models.camnet import CamNet, Head
from faithcam.models.graphs import Graph, Whole
from faithcam.models.inference import same_logits
from faithcam.models.splitnet import SplitNet

PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
HEADS: tuple[Head, ...] = ("flatten", "gap")


@torch.no_grad()
def split(network: nn.Module, sample: Tensor, layer: str | None = None) -> CamNet | SplitNet:
    """Return a copy of a CNN in two parts: images -> activations A -> outputs.

    The copy is in eval mode and float32, with weights of its own; the network stays as it is. Its
    outputs on the sample are the network's own, or it is an error.

    Args:
        network: any CNN, on the sample's device; wrapped in ``DataParallel`` or not. Outputs: a
            tensor, or one named ``out`` or ``logits``.
        sample: an image or several of the size that will be explained, (C, H, W) or (N, C, H, W);
            of a network for volumes (N, C, S, H, W).
        layer: name of the module whose output A is to be; the last activations, if not given.

    Returns:
        A ``CamNet``, whose logits are linear in A and whose maps have a closed form, where
        everything behind A is Flatten or global average pooling, and one linear layer; else a
        ``SplitNet``.

    Raises:
        FaithcamError: if the network cannot be split there; why, and what can be done.

    Example:
        >>> import faithcam, torch, torchvision
        >>> network = torchvision.models.resnet18()
        >>> parts = faithcam.split(network, torch.zeros(3, 64, 64))
        >>> parts.head, tuple(parts.activations(torch.zeros(1, 3, 64, 64)).shape)
        ('gap', (1, 512, 2, 2))
    """
    while isinstance(network, PARALLEL):
        network = network.module
    if isinstance(network, torch.jit.ScriptModule):
        raise FaithcamError(
            f"network: a scripted module ({network.original_name}) found, which cannot be looked "
            "into; give the module that it was made from"
        )
    image = _image(network, sample)
    whole = Whole(_copied(network)).eval().requires_grad_(False)
    if isinstance(whole.network, CamNet | SplitNet) and layer is None:
        return whole.network
    try:
        expected = whole(image)
    except (RuntimeError, ValueError, TypeError) as error:
        raise FaithcamError(
            f"sample: {tuple(image.shape)} found, which the network does not take ({error}); give "
            "images as it was trained with"
        ) from error
    problems = []
    for way, cut in (("traced", _traced), ("by hooks", _hooked)):
        try:
            parts = cut(whole, image, layer)
        except FaithcamError as error:
            raise error from None
        except Exception as error:  # whatever a network's own code does not bear
            problems.append(f"{way}: {error}")
            continue
        if same_logits(expected, parts(image)):
            return parts
        problems.append(f"{way}: the two parts give other outputs than the whole")
    raise FaithcamError(
        f"network: {type(network).__name__} cannot be split ({'; '.join(problems)}); give faithcam "
        "a SplitNet(features, tail) of your own"
    )


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network).float()
    except (RuntimeError, TypeError) as error:
        raise FaithcamError(
            f"network: {type(network).__name__} cannot be copied ({error}); remove its hooks or "
            "reparametrisations first"
        ) from error


def _image(network: nn.Module, sample: Tensor) -> Tensor:
    """Return the first image of a sample, float32, (1, C, H, W)."""
    if not isinstance(sample, Tensor) or not sample.is_floating_point():
        found = sample.dtype if isinstance(sample, Tensor) else type(sample).__name__
        raise FaithcamError(f"sample: {found} found, expected a tensor of floats, as the network's")
    if sample.ndim not in (3, 4, 5) or not sample.numel():
        raise FaithcamError(
            f"sample: {tuple(sample.shape)} found, expected (C, H, W), (N, C, H, W) or, of "
            "volumes, (N, C, S, H, W)"
        )
    weights = next(network.parameters(), None)
    if weights is not None and weights.device != sample.device:
        raise FaithcamError(
            f"sample: on {sample.device}, network on {weights.device}; move one to the other"
        )
    image = sample[None] if sample.ndim == 3 else sample[:1]
    return image.float()


def _traced(whole: Whole, image: Tensor, layer: str | None) -> CamNet | SplitNet:
    graph = Graph(whole, image)
    cut = graph.last() if layer is None else graph.named(layer)
    halves = graph.halves(cut)
    parts = SplitNet(halves.features, halves.tail, graph.name(cut)).eval()
    return parts if halves.linear is None else _in_closed_form(parts, halves.linear, image)


def _hooked(whole: Whole, image: Tensor, layer: str | None) -> SplitNet:
    layer = hooked.last_layer(whole, image) if layer is None else f"network.{layer}"
    return SplitNet(*hooked.halves(whole, layer, image), layer.removeprefix("network.")).eval()


def _in_closed_form(parts: SplitNet, linear: nn.Linear, image: Tensor) -> CamNet | SplitNet:
    """Return the network as a ``CamNet`` where that computes the same of any activations."""
    shape = parts.activations(image).shape
    if len(shape) != 4:
        return parts
    inputs = {"flatten": math.prod(shape[1:]), "gap": shape[1]}
    noise = seeding.generator("random activations").standard_normal((4, *shape[1:]), np.float32)
    activations = torch.from_numpy(noise).to(image.device)
    for head in HEADS:
        closed = CamNet(parts.features, linear, head).eval()
        if linear.in_features == inputs[head] and same_logits(
            parts.logits(activations), closed.logits(activations), 1e-5
        ):
            return closed
    return parts
