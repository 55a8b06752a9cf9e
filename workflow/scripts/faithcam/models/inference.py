"""Networks made ready for many forward passes: traced, free of in-place steps, BatchNorm folded.

Folding changes no function: a convolution and the BatchNorm behind it, in eval mode, are one
convolution with other weights. Logits agree up to float32 rounding.
"""

import copy
import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.fusion import fuse_conv_bn_eval

from faithcam.errors import FaithcamError
from faithcam.models.camnet import CamNet, Head

DEEP, FEW_CELLS = 256, 16
OUT_OF_PLACE = {
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    operator.isub: operator.sub,
}


class InferenceNet(CamNet):
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


def for_inference(
    model: CamNet, size: tuple[int, int], dtype: torch.dtype = torch.float32
) -> CamNet:
    """Return a faster network with the same function; the one given stays as it was.

    Features that ``torch.fx`` cannot trace (their Python code branches on values), or that work in
    place in a way unknown here, are used as they are: the result is then a copy of ``model``.

    Args:
        model: on the CPU.
        size: (H, W) of the images it is for; it decides the memory layout alone.
        dtype: of the features' arithmetic.

    Raises:
        FaithcamError: if features that cannot be traced are wanted in another dtype than float32.
    """
    model = copy.deepcopy(model).eval().channels_last()
    features = traced(model.features)
    if features is None and dtype == torch.float32:
        return model
    if features is None:
        raise FaithcamError(
            f"precision: {str(dtype).removeprefix('torch.')} needs features that torch.fx can "
            f"trace, {type(model.features).__name__} cannot be; use precision: float32"
        )
    features = _laid_out(_folded(features), size)
    return InferenceNet(features, model.classifier, model.head, dtype)


def traced(features: nn.Module) -> fx.GraphModule | None:
    """Turn features in eval mode into a graph without in-place steps; None if that cannot be."""
    try:
        graph = fx.symbolic_trace(features)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError):
        return None
    for node in graph.graph.nodes:
        if node.op == "call_function":
            node.target = OUT_OF_PLACE.get(node.target, node.target)
            if "inplace" in (names := _parameters(node.target)):
                node.args = node.args[: names.index("inplace")]
                node.kwargs = {**node.kwargs, "inplace": False}
        name = str(getattr(node.target, "__name__", node.target))
        if node.op in ("call_function", "call_method") and name.endswith("_"):
            return None
    for module in graph.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    graph.recompile()
    return graph


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # a built-in function
        return []


def _folded(graph: fx.GraphModule) -> fx.GraphModule:
    """Fold every BatchNorm into the convolution before it, where nobody else uses its output."""
    used = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    for node in list(graph.graph.nodes):
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or len(before.users) != 1:
            continue
        convolution, normalisation = _module(graph, before), _module(graph, node)
        if (
            isinstance(convolution, nn.Conv2d)
            and isinstance(normalisation, nn.BatchNorm2d)
            and normalisation.running_mean is not None
            and used.count(before.target) == used.count(node.target) == 1
        ):
            graph.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, normalisation))
            node.replace_all_uses_with(before)
            graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _laid_out(graph: fx.GraphModule, size: tuple[int, int]) -> fx.GraphModule:
    """Compute deep layers on very small maps channels first, the others channels last.

    Measured on CPUs with AVX-512: 512 channels on 4 x 4 cells take 1.6 times as long channels last,
    on 2 x 2 cells twice as long; larger maps are faster channels last.
    """
    ShapeProp(graph).propagate(torch.zeros(1, 3, *size))
    for node in list(graph.graph.nodes):
        convolution = _module(graph, node)
        if not isinstance(convolution, nn.Conv2d) or convolution.in_channels < DEEP:
            continue
        if node.meta["tensor_meta"].shape[2:].numel() <= FEW_CELLS:
            convolution.weight.data = convolution.weight.data.contiguous()
            with graph.graph.inserting_before(node):
                node.args = (graph.graph.call_method("contiguous", (node.args[0],)),)
    graph.recompile()
    return graph
