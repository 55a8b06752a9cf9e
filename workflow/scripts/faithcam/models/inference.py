"""Networks made ready for many forward passes: traced, free of in-place steps, BatchNorm folded.

Folding changes no function: a convolution and the BatchNorm behind it, in eval mode, are one
convolution with other weights. Logits agree up to float32 rounding.
"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.models.axialnet import AxialNet
from faithcam.models.camnet import CamNet, Head

DEEP, FEW_CELLS = 256, 16


class Prepared:
    """Marks networks whose features are one graph (``fx.GraphModule``) without in-place steps."""


class InferenceNet(CamNet, Prepared):
    """A network whose features are one graph without in-place steps, in eval mode.

    Args:
        features: images -> A, see :func:`traced`.
        classifier: as in ``CamNet``.
        head: as in ``CamNet``.
        dtype: of the features' arithmetic; images, activations and the head stay float32.
    """

    features: fx.GraphModule

    def __init__(
        self,
        features: fx.GraphModule,
        classifier: nn.Linear,
        head: Head,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(features.to(dtype), classifier, head)
        self.dtype = dtype
        self.eval()

    def activations(self, images: Tensor) -> Tensor:
        """Return the target tensor A: (N, K, h, w) float32."""
        activations: Tensor = self.features(images.to(self.dtype))
        return activations.float()

    def with_classifier(self, classifier: nn.Linear) -> "InferenceNet":
        """Return a network of the same features, which they share, and another linear layer."""
        return type(self)(self.features, classifier, self.head, self.dtype)


class InferenceAxialNet(AxialNet, InferenceNet):
    """The same of a network for volumes: the graph is that of a slice."""

    def of_slice(self) -> CamNet:
        """Return the network of a single slice (N, C, H, W), with the same layers."""
        return InferenceNet(self.features, self.classifier, self.head, self.dtype)


@torch.no_grad()
def for_inference(
    model: CamNet, size: tuple[int, int], dtype: torch.dtype = torch.float32, channels: int = 3
) -> CamNet:
    """Return a faster network with the same function; the one given stays as it was.

    Features that ``torch.fx`` cannot trace (their Python code branches on values), or whose graph
    computes something else on a random image (steps in place whose old value is read again), are
    used as they are: the result is then a copy of ``model``.

    Args:
        model: on the CPU.
        size: (H, W) of the images or slices it is for; it decides the memory layout alone.
        dtype: of the features' arithmetic.
        channels: of the images.

    Raises:
        FaithcamError: if such features are wanted in another dtype than float32, or the network
            cannot be copied.
    """
    if isinstance(model, InferenceNet):
        raise ValueError("the network is prepared already, expected the original one")
    try:
        original = copy.deepcopy(model).eval().channels_last()
        features = copy.deepcopy(original.features)
    except RuntimeError as error:
        raise FaithcamError(
            f"{type(model.features).__name__} cannot be copied ({error}); remove its hooks or "
            "reparametrisations first"
        ) from error
    graph = traced(features)
    if graph is not None:
        sample = random_images(size, channels)
        graph = laid_out(folded(graph), sample[:1])
        flat = CamNet(original.features, original.classifier, original.head)
        if not same_logits(flat(sample), flat.logits(graph(sample))):
            print("features: the traced graph computes something else; they are used as they are")
            graph = None
    if graph is not None:
        if isinstance(original, AxialNet):
            return InferenceAxialNet(graph, original.classifier, original.head, dtype)
        return InferenceNet(graph, original.classifier, original.head, dtype)
    if dtype != torch.float32:
        raise FaithcamError(
            f"precision: {str(dtype).removeprefix('torch.')} needs features that torch.fx can "
            f"trace, {type(model.features).__name__} cannot be; use precision: float32"
        )
    return original


def random_images(size: tuple[int, int], channels: int) -> Tensor:
    """Return two random images in [-1, 1], always the same."""
    noise = seeding.generator("a random image").random((2, channels, *size), np.float32)
    return torch.from_numpy(noise) * 2 - 1


def same_logits(one: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    """Return whether logits are the same up to rounding, relative to the largest."""
    return bool((one - other).abs().max() <= tolerance * one.abs().max())


def traced(features: nn.Module) -> fx.GraphModule | None:
    """Turn features in eval mode into a graph without in-place steps; None if that cannot be."""
    try:
        graph = fx.symbolic_trace(features)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        print(f"features: torch.fx cannot trace them ({error}); they are used as they are")
        return None
    if sum(node.op == "placeholder" for node in graph.graph.nodes) != 1:
        return None
    for node in graph.graph.nodes:
        if node.op == "call_function" and "inplace" in (names := _parameters(node.target)):
            node.args = node.args[: names.index("inplace")]
            node.kwargs = {**node.kwargs, "inplace": False}
        name = str(getattr(node.target, "__name__", node.target))
        writes = name.endswith("_") and node.op in ("call_function", "call_method")
        if writes or "out" in node.kwargs:
            return None
    for module in graph.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    graph.recompile()
    return graph


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """Return the layer that a node calls with one input and nothing around it, or None."""
    if node.op != "call_module" or node.kwargs or len(node.args) != 1:
        return None
    module = graph.get_submodule(str(node.target))
    hooks = module._forward_hooks or module._forward_pre_hooks
    return None if hooks or parametrize.is_parametrized(module) else module


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # a built-in function
        return []


def folded(graph: fx.GraphModule) -> fx.GraphModule:
    """Fold every BatchNorm into the convolution before it, where nobody else uses its output."""
    used = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    for node in list(graph.graph.nodes):
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or len(before.users) != 1:
            continue
        convolution, normalisation = module_of(graph, before), module_of(graph, node)
        if (
            type(convolution) is nn.Conv2d
            and type(normalisation) is nn.BatchNorm2d
            and normalisation.running_mean is not None
            and used.count(before.target) == used.count(node.target) == 1
        ):
            graph.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, normalisation))
            node.replace_all_uses_with(before)
            graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def laid_out(graph: fx.GraphModule, image: Tensor) -> fx.GraphModule:
    """Compute deep layers on very small maps channels first, the others channels last.

    Measured on CPUs with AVX-512: 512 channels on 4 x 4 cells take 1.6 times as long channels last,
    on 2 x 2 cells twice as long; larger maps are faster channels last.
    """
    ShapeProp(graph).propagate(image)
    for node in list(graph.graph.nodes):
        convolution = module_of(graph, node)
        if type(convolution) is not nn.Conv2d or convolution.in_channels < DEEP:
            continue
        if node.meta["tensor_meta"].shape[2:].numel() <= FEW_CELLS:
            convolution.weight.data = convolution.weight.data.contiguous()
            with graph.graph.inserting_before(node):
                node.args = (graph.graph.call_method("contiguous", (node.args[0],)),)
    graph.recompile()
    return graph
