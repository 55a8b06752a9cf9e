"""Networks as graphs of operations (``torch.fx``), and the tensors at which they fall in two."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._pytree import tree_leaves

from faithcam.core.errors import FaithcamError
from faithcam.models.layouts import ADAPTIVE, POOLED, Layout, layout_of

ATTENTION = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
PREFIX = "network."  # of the layers' names in :class:`Whole`
BATCHES = (2, 3)  # what differs between them follows from the number of images


class UntraceableError(Exception):
    """Why a graph is not what a network computes."""


class NoGridError(FaithcamError):
    """No tensor was found that could be explained."""


class Whole(nn.Module):
    """A network whose outputs are one tensor: the only one, or ``out`` or ``logits`` of several."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs of images."""
        outputs = self.network(images)
        for name in ("out", "logits"):  # segmentation networks of torchvision, transformers
            if isinstance(outputs, Mapping) and name in outputs:
                outputs = outputs[name]
            elif not isinstance(outputs, Tensor | fx.Proxy):
                outputs = getattr(outputs, name, outputs)
        if not isinstance(outputs, Tensor | fx.Proxy):
            found = list(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise FaithcamError(
                f"network: it returns {found}, expected a tensor, or one named out or logits; wrap "
                "it in a module that returns the tensor to explain"
            )
        return outputs  # type: ignore[return-value]


class _Tracer(fx.Tracer):
    """Notes what every module returns, also those that are not kept as one step."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one step: scripted ones cannot be looked into."""
        scripted = isinstance(m, torch.jit.ScriptModule)
        return scripted or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Trace a module."""
        result = super().call_module(m, forward, args, kwargs)
        if isinstance(result, fx.Proxy):
            self.outputs[self.path_of_module(m).removeprefix(PREFIX)] = result.node
        return result


class _Values(fx.Interpreter):
    """Runs a graph and notes what every step returns: of tensors the shape, else the value."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one step."""
        value = super().run_node(n)
        has_tensors = any(isinstance(leaf, Tensor) for leaf in tree_leaves(value))
        noted = value.shape if isinstance(value, Tensor) else None if has_tensors else value
        self.values[n] = (has_tensors, noted)
        return value


@dataclass(frozen=True)
class Halves:
    """The two parts of a network.

    Args:
        features: images -> A.
        tail: A -> outputs.
        linear: the only layer with weights in the tail, if it is an ``nn.Linear``.
    """

    features: nn.Module
    tail: nn.Module
    linear: nn.Linear | None


class Graph:
    """A network's graph on images of one size.

    Args:
        network: in eval mode, images -> a tensor.
        image: (1, C, H, W), or with one axis more.

    Raises:
        Exception: whatever the network's code raises if it cannot be traced.
    """

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        tracer = _Tracer()
        self._module = fx.GraphModule(network, tracer.trace(network))
        self._named = tracer.outputs
        self._nodes = list(self._module.graph.nodes)
        for node in self._nodes:
            target = str(getattr(node.target, "__name__", node.target))
            if node.op in ("call_function", "call_method") and re.fullmatch(r"\w*[^_]_", target):
                raise UntraceableError(f"{target} works in place")
        self._place = {node: place for place, node in enumerate(self._nodes)}
        runs = [_Values(self._module) for _ in BATCHES]
        for run, count in zip(runs, BATCHES, strict=True):
            # other images too: what depends on their values is no size
            scale = torch.arange(1.0, count + 1, device=image.device) / BATCHES[0]
            run.run(image * scale.flip(0).view(-1, *[1] * (image.ndim - 1)) + count - BATCHES[0])
        self._values, self._others = (run.values for run in runs)
        self._image = next(node for node in self._nodes if node.op == "placeholder")
        self._output = self._nodes[-1]
        self._of_image = {self._image}
        for node in self._nodes:
            # a tensor that is made of sizes alone knows no pixel
            of = [n for n in node.all_input_nodes if n in self._of_image]
            if of and (not self._values[node][0] or any(self._values[n][0] for n in of)):
                self._of_image.add(node)
        self._needed = self._behind(self._output, set())
        self._layouts: dict[fx.Node, Layout] = {}
        if len(image.shape) in (4, 5):
            self._layouts[self._image] = tuple(range(len(image.shape)))
        for node in self._nodes:
            if node in self._of_image and (axes := len(self.shape(node))) in (4, 5):
                known = [self._layouts[n] for n in node.all_input_nodes if n in self._layouts]
                layout = layout_of(node, self._module_of(node), axes, known)
                self._layouts |= {} if layout is None else {node: layout}

    def _behind(self, node: fx.Node, stop: set[fx.Node]) -> set[fx.Node]:
        """Return the steps that one is computed from, with itself, up to those of ``stop``."""
        found, waiting = set(), [node]
        while waiting:
            if (each := waiting.pop()) not in found:
                found.add(each)
                waiting += [] if each in stop else each.all_input_nodes
        return found

    def _is_data(self, node: fx.Node) -> bool:
        """Return whether a step of the image returns tensors, not sizes."""
        return node in self._of_image and node in self._needed and bool(self._values[node][0])

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """Return the shape that a step returns for one image, () if that is no tensor."""
        tensor, noted = self._values[node]
        return (1, *noted[1:]) if tensor and noted is not None else ()

    def cells(self, node: fx.Node) -> int:
        """Return how many cells a step's output has, 0 if it has no axes of space."""
        return math.prod(self.grid(node))

    def grid(self, node: fx.Node) -> tuple[int, ...]:
        """Return rows and columns of a step's output, (0,) if no axes are known as those."""
        if (layout := self._layouts.get(node)) is None:
            return (0,)
        shape = self.shape(node)
        return tuple(shape[layout.index(axis)] for axis in range(2, len(shape)))

    def cuts(self) -> list[fx.Node]:
        """Return the steps that all later ones are computed from alone, first to last."""
        found, until = [], self._last_use(self._image)
        for place, node in enumerate(self._nodes[:-1]):
            if node is self._image or not self._is_data(node):
                continue
            if until <= place and self.shape(node):
                found.append(node)
            until = max(until, self._last_use(node))
        return found

    def _last_use(self, node: fx.Node) -> int:
        users = [n for n in node.users if n is self._output or self._is_data(n)]
        return max((self._place[n] for n in users), default=0)

    def _module_of(self, node: fx.Node) -> nn.Module | None:
        return self._module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _has_weights(self, node: fx.Node) -> bool:
        if (module := self._module_of(node)) is not None:
            return any(True for _ in module.parameters())
        return node.op != "output" and any(n.op == "get_attr" for n in node.all_input_nodes)

    def _weighted(self) -> list[fx.Node]:
        return [n for n in self._nodes if self._is_data(n) and self._has_weights(n)]

    def last(self) -> fx.Node:
        """Return the target tensor that is meant where none is named.

        Raises:
            FaithcamError: if there is none.
        """
        weighted = self._weighted()
        before = self._place[weighted[-1]] if weighted else 0
        there = [n for n in self.cuts() if self._place[n] < before and not self._adapts(n)]
        chosen = [node for node in there if self.cells(node) > 1]
        if not chosen:
            raise NoGridError(
                "network: no activations (N, K, h, w) found that its outputs are computed from "
                "alone; name a layer whose output they are computed from"
            )
        self._check(chosen[-1])
        return chosen[-1]

    def _check(self, node: fx.Node) -> None:
        """Raise FaithcamError where the last grid is none that explains what is behind it."""
        tail = [n for n in self._nodes if self._is_data(n) and self._place[n] > self._place[node]]
        name, grid = self.name(node), self.grid(node)
        if any(_attends(n, self._module_of(n)) for n in tail):
            raise FaithcamError(
                f"network: behind its last grid, {grid} cells of {name}, tokens attend to "
                "each other: a transformer has no last activations; name a layer to explain it all "
                "the same"
            )
        for convolution in tail:
            module = self._module_of(convolution)
            if not isinstance(module, nn.Conv2d | nn.Conv3d):
                continue
            before = self.grid(convolution.all_input_nodes[0])
            shrinks = math.prod(before) > 1 and self.cells(convolution) == 1
            if shrinks and module.kernel_size != before:  # else it is a linear layer
                raise FaithcamError(
                    f"images: of this size the last activations have one cell, {name} before them "
                    f"{grid}; give larger images, or name a layer"
                )

    def _adapts(self, node: fx.Node) -> bool:
        module = self._module_of(node)
        return isinstance(module, ADAPTIVE) or node.target in POOLED

    def named(self, layer: str) -> fx.Node:
        """Return what a layer returns.

        Raises:
            FaithcamError: if there is no such layer, or its output is no cut with space.
        """
        if layer not in self._named:
            known = ", ".join(name for name, node in self._named.items() if self.cells(node) > 1)
            raise FaithcamError(f"layer: {layer} found, expected one of {known}")
        node = self._named[layer]
        if len(self.shape(node)) not in (4, 5):
            raise FaithcamError(
                f"layer: {layer} returns {self.shape(node)}, expected activations (N, K, h, w)"
            )
        if node not in self.cuts():
            raise FaithcamError(
                f"layer: beside {layer} other paths lead to the outputs, which are not computed "
                "from it alone; name a layer where they have joined"
            )
        return node

    def name(self, node: fx.Node) -> str:
        """Return a layer's name for messages: of the module that returns it, if one does."""
        names = [name for name, of in self._named.items() if of is node]
        return min(names, key=len) if names else node.name

    def halves(self, cut: fx.Node) -> Halves:
        """Return the two parts of the network, which share its layers.

        Raises:
            FaithcamError: if what is behind the cut depends on the number of images in a way that
                cannot be told from A.
        """
        behind = self._needed - self._behind(cut, set())
        weighted = [n for n in self._weighted() if n in behind]
        linear = self._module_of(weighted[0]) if len(weighted) == 1 else None
        plain = type(linear) is nn.Linear and not (
            linear._forward_hooks or linear._forward_pre_hooks or is_parametrized(linear)
        )
        return Halves(self._front(cut), self._tail(cut), linear if plain else None)  # type: ignore[arg-type]

    def _order(self, cut: fx.Node) -> Layout:
        """Return the axes of a cut's output in the order (N, K, h, w), which a named one has."""
        axes = tuple(range(len(self.shape(cut))))
        layout = self._layouts.get(cut, axes)
        return tuple(layout.index(axis) for axis in axes)

    def _front(self, cut: fx.Node) -> fx.GraphModule:
        graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
        needed = self._behind(cut, set())
        for node in self._nodes:
            if node in needed:
                copies[node] = graph.node_copy(node, copies.__getitem__)
        result, order = copies[cut], self._order(cut)
        if order != tuple(sorted(order)):
            result = graph.call_method("permute", (result, *order))
        graph.output(result)
        return fx.GraphModule(self._module, graph)

    def _tail(self, cut: fx.Node) -> fx.GraphModule:
        graph = fx.Graph()
        given = graph.placeholder("activations")
        copies: dict[fx.Node, Any] = {cut: given}
        order = self._order(cut)
        if order != tuple(sorted(order)):
            back = tuple(order.index(axis) for axis in range(len(order)))
            copies[cut] = graph.call_method("permute", (given, *back))
        needed = self._behind(self._output, {cut}) - {cut, self._output}
        for node in self._nodes:
            if node not in needed:
                continue
            if node not in self._of_image:
                copies[node] = graph.node_copy(node, copies.__getitem__)
            elif not self._values[node][0]:
                copies[node] = self._constant(node, given, graph)
            elif self._place[node] > self._place[cut]:
                copies[node] = graph.node_copy(node, lambda n: copies[n])
        graph.output(fx.node.map_arg(self._output.args[0], lambda n: copies[n]))
        return fx.GraphModule(self._module, graph)

    def _constant(self, node: fx.Node, given: fx.Node, graph: fx.Graph) -> Any:
        """Return a size that was computed from the image: a number, or the number of images."""
        one, other = self._values[node][1], self._others[node][1]
        if one == other:
            return tuple(one) if isinstance(one, torch.Size) else one
        if (one, other) == BATCHES:
            return graph.call_method("size", (given, 0))
        if isinstance(one, torch.Size) and tuple(one[1:]) == tuple(other[1:]):
            return (graph.call_method("size", (given, 0)), *one[1:])
        raise UntraceableError(f"{node.name} is {one} for some images and {other} for others")


def _attends(node: fx.Node, module: nn.Module | None) -> bool:
    return isinstance(module, ATTENTION) or node.target is F.scaled_dot_product_attention
