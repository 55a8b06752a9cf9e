"""Layers as operations on windows of their inputs; those of unknown kinds are none."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from faithcam.models.inference import module_of
from faithcam.removal.windows import Geometry, Places, Spans

POINTWISE_MODULES = (
    nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish,
    nn.Identity, nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Tanh,
)  # fmt: skip
POINTWISE_FUNCTIONS = (
    F.elu, F.gelu, F.hardsigmoid, F.hardswish, F.leaky_relu, F.relu, F.relu6, F.silu,
    torch.relu, torch.sigmoid, torch.tanh,
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """A layer that makes its output from windows of its inputs.

    Args:
        inputs: the layers before it.
        apply: inputs without padding -> output.
        spans: what can change in the output.
        reads: rows and columns of the inputs that the window of the output needs.
        fill: what lies beyond the inputs' border.
    """

    inputs: list[fx.Node]
    apply: Callable[..., Tensor]
    spans: Spans
    reads: Places
    fill: float = 0


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def spatial(
    module: nn.Module | None, node: fx.Node, spans: Spans, size: Sequence[int]
) -> Operation | None:
    """Return a convolution or pooling as an operation, None if it is of an unknown kind."""
    dilation, fill = (1, 1), 0.0
    apply: Callable[[Tensor], Tensor]
    if type(module) is nn.Conv2d:
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            return None
        dilation = _pair(module.dilation)
        apply = partial(
            F.conv2d,
            weight=module.weight,
            bias=module.bias,
            stride=module.stride,
            dilation=dilation,
            groups=module.groups,
        )
    elif type(module) is nn.MaxPool2d:
        if module.return_indices:
            return None
        dilation, fill = _pair(module.dilation), -torch.inf
        apply = partial(
            F.max_pool2d,
            kernel_size=module.kernel_size,
            stride=module.stride,
            dilation=dilation,
        )
    elif type(module) is nn.AvgPool2d:
        counts_padding = module.count_include_pad or _pair(module.padding) == (0, 0)
        if module.ceil_mode or module.divisor_override or not counts_padding:
            return None
        apply = partial(F.avg_pool2d, kernel_size=module.kernel_size, stride=module.stride)
    else:
        return None
    axes = (_pair(v) for v in (module.kernel_size, module.stride, module.padding, dilation))
    vertical, horizontal = (Geometry(*numbers) for numbers in zip(*axes, strict=True))
    height, width = spans[0].after(vertical, size[0]), spans[1].after(horizontal, size[1])
    reads = height.read_by(vertical), width.read_by(horizontal)
    return Operation([node], apply, (height, width), reads, fill)


def merged(node: fx.Node) -> tuple[list[fx.Node], Callable[..., Tensor]] | None:
    """Return what a sum or a concatenation of channels merges, and how; None for other nodes."""
    if node.target in (operator.add, torch.add) and not node.kwargs:
        parts = [part for part in node.args if isinstance(part, fx.Node)]
        return (parts, torch.add) if len(parts) == 2 else None
    if node.target in (torch.cat, torch.concat) and node.args:
        tensors, dim = node.args[0], node.kwargs.get("dim", (*node.args[1:], 0)[0])
        if isinstance(tensors, list | tuple) and dim in (1, -3) and "axis" not in node.kwargs:
            return list(tensors), lambda *windows: torch.cat(windows, 1)
    return None


def pointwise(graph: fx.GraphModule, node: fx.Node) -> Callable[[Tensor], Tensor] | None:
    """Return a layer that treats every number of its one input alone; None for other nodes."""
    module = module_of(graph, node)
    if type(module) in POINTWISE_MODULES:
        batch_statistics = isinstance(module, nn.BatchNorm2d) and module.running_mean is None
        return None if batch_statistics else module
    if node.op == "call_method" and node.target == "contiguous":
        return Tensor.contiguous
    if node.op == "call_function" and node.target in POINTWISE_FUNCTIONS and node.args:
        function, more, named = node.target, node.args[1:], node.kwargs
        return lambda window: function(window, *more, **named)
    return None
