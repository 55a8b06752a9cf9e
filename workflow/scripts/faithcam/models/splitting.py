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
from faithcam.models.graphs import Graph, NoGridError, Whole
from faithcam.models.inference import same_logits
from faithcam.models.splitnet import HookedNet, SplitNet

PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
CHECKED = 4  # images of a sample on which a split is checked
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
    network = _unwrapped(network)
    images = _images(network, sample)
    whole = Whole(_copied(network)).eval().requires_grad_(False)
    if isinstance(whole.network, CamNet | SplitNet) and layer is None:
        return whole.network
    images = _and_others(images)
    try:
        expected, again = whole(images), whole(images)
    except FaithcamError:
        raise
    except Exception as error:  # whatever a network's own code does not bear
        raise FaithcamError(
            f"sample: {tuple(images[:1].shape)} found, which the network does not take ({error}); "
            "give images as it was trained with"
        ) from error
    if not _same(expected, again):
        raise FaithcamError(
            f"network: {type(network).__name__} says something else of the same images at each "
            "call, in eval mode, too: F.dropout(x) without training=self.training, say; mend it"
        )
    if not _same(expected[:1], whole(images[:1])):
        raise FaithcamError(
            f"network: {type(network).__name__} says something else of an image alone than of the "
            "same image among others: BatchNorm with track_running_stats=False, say; build it with "
            "statistics of its own"
        )
    problems: list[str] = []
    refused: FaithcamError | None = None
    for way, cut in (("traced", _traced), ("by hooks", _hooked)):
        try:
            parts = cut(whole, images[:1], layer)
        except FaithcamError as error:
            refused = refused or error
            if way == "traced" and not isinstance(error, NoGridError):
                break
            continue
        except Exception as error:
            problems.append(f"{way}: {error}")
            continue
        if _same(expected, parts(images)):
            return parts
        problems.append(f"{way}: the two parts give other outputs than the whole")
    if refused is not None:
        raise FaithcamError(str(refused)) from None
    raise FaithcamError(
        f"network: {type(network).__name__} cannot be split ({'; '.join(problems)}); name a layer "
        "that all paths to the outputs go through, or give a SplitNet(features, tail) of your own"
    )


def _unwrapped(network: nn.Module) -> nn.Module:
    """Return the network itself, not what runs it on several devices or compiled."""
    if not isinstance(network, nn.Module):
        raise FaithcamError(f"network: {type(network).__name__} found, expected a torch.nn.Module")
    while True:
        inside = getattr(network, "_orig_mod", None)  # of torch.compile
        if isinstance(network, PARALLEL):
            network = network.module
        elif isinstance(inside, nn.Module):
            network = inside
        else:
            break
    if isinstance(network, torch.jit.ScriptModule):
        raise FaithcamError(
            f"network: a scripted module ({network.original_name}) found, which cannot be looked "
            "into; give the module that it was made from"
        )
    return network


def _same(one: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    """Return whether outputs are the same up to rounding, and as finite."""
    finite = one.isfinite()
    if one.shape != other.shape or not torch.equal(finite, other.isfinite()):
        return False
    return not bool(finite.any()) or same_logits(one[finite], other[finite], tolerance)


def _and_others(images: Tensor) -> Tensor:
    """Return images, and some unlike them: a split holds for any."""
    noise = seeding.generator("images unlike the sample").standard_normal(images.shape, np.float32)
    other = torch.from_numpy(noise[:1]).to(images.device) * max(float(images.std()), 0.1)
    return torch.cat([images, images[:1].flip(-1) * 2, other + images[:1].mean(), other * 3])


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network).float()
    except (RuntimeError, TypeError) as error:
        raise FaithcamError(
            f"network: {type(network).__name__} cannot be copied ({error}); remove its hooks, "
            "pruning (prune.remove) or weight_norm (remove_weight_norm) first"
        ) from error


def _images(network: nn.Module, sample: Tensor) -> Tensor:
    """Return the first images of a sample, float32, (N, C, H, W)."""
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
    images = sample[None] if sample.ndim == 3 else sample[:CHECKED]
    return images.detach().clone().float()


def _traced(whole: Whole, image: Tensor, layer: str | None) -> CamNet | SplitNet:
    graph = Graph(whole, image)
    cut = graph.last() if layer is None else graph.named(layer)
    halves = graph.halves(cut)
    parts = SplitNet(halves.features, halves.tail, graph.name(cut)).eval()
    return parts if halves.linear is None else _in_closed_form(parts, halves.linear, image)


def _hooked(whole: Whole, image: Tensor, layer: str | None) -> SplitNet:
    layer = hooked.last_layer(whole, image) if layer is None else f"network.{layer}"
    front, back = hooked.halves(whole, layer, image)
    return HookedNet(front, back, layer.removeprefix("network.")).eval()


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
        # a head that is linear for small values alone is none
        if linear.in_features == inputs[head] and all(
            _same(parts.logits(activations * size), closed.logits(activations * size), 1e-5)
            for size in (0.01, 1, 100, 10_000)
        ):
            return closed
    return parts
