"""Where the axes of a step's output are: batch 0, channels 1, then rows and columns.

Layers for images say it; functions that change values one by one keep it, and those that move axes
move it. Behind anything else it is not known.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

Layout = tuple[int, ...]  # of each axis, what it is
ADAPTIVE = (
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)
POOLED = (
    *(F.adaptive_avg_pool2d, F.adaptive_avg_pool3d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
)
# what returns (N, K, h, w) of (N, K, h, w): where the axes are is known behind it
SPATIAL = (
    *(nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.BatchNorm2d, nn.BatchNorm3d),
    *(nn.GroupNorm, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.LocalResponseNorm, nn.Upsample),
    *(nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d, nn.LPPool2d, nn.FractionalMaxPool2d),
    *(nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.ConstantPad2d, nn.Dropout2d),
    *(nn.Dropout3d, nn.PixelShuffle, nn.PReLU, *ADAPTIVE),
)
SPATIAL_FUNCTIONS = (
    *(F.conv2d, F.conv3d, F.conv_transpose2d, F.max_pool2d, F.max_pool3d, F.avg_pool2d),
    *(F.avg_pool3d, F.batch_norm, F.group_norm, F.instance_norm, F.interpolate, *POOLED),
    *(torch.conv2d, torch.conv3d),
)
MOVES = ("permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims")
# values are changed one by one, or over the last axes by a layer, and stay where they are
POINTWISE = {
    *("add", "iadd", "sub", "mul", "imul", "div", "truediv", "neg", "pow", "exp", "sqrt", "abs"),
    *("clamp", "clip", "relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardswish"),
    *("hardsigmoid", "leaky_relu", "elu", "selu", "celu", "softplus", "mish", "dropout", "cat"),
    *("dropout2d", "contiguous", "clone", "float", "to", "layer_norm", "getitem", "maximum"),
    *("minimum", "stochastic_depth", "type_as", "linear"),
}
POINTWISE_MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.ELU),
    *(nn.Hardsigmoid, nn.LeakyReLU, nn.SELU, nn.CELU, nn.Softplus, nn.Mish, nn.Dropout),
    *(nn.Identity, nn.LayerNorm, nn.Linear),
)


def layout_of(
    node: fx.Node, module: nn.Module | None, axes: int, known: list[Layout]
) -> Layout | None:
    """Return which axes a step's output has; None if that is not known.

    Args:
        node: the step.
        module: that it calls, if it calls one.
        axes: of its output, 4 or 5.
        known: layouts of its inputs, as far as they are known.
    """
    first = tuple(range(axes))
    name = str(getattr(node.target, "__name__", node.target))
    if isinstance(module, SPATIAL) or node.target in SPATIAL_FUNCTIONS:
        return first if all(layout == first for layout in known) else None
    if name in MOVES and known and node.op != "call_module":
        return tuple(known[0][axis] for axis in _moved(node, axes))
    if not isinstance(module, POINTWISE_MODULES) and (module is not None or name not in POINTWISE):
        return None
    same = {layout for layout in known if len(layout) == axes}
    if not same and isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
        # behind windows of a shifted-window network: channels are what is normalised
        return (0, *range(2, axes), 1)
    layout = next(iter(same)) if len(same) == 1 else None
    over_last = isinstance(module, nn.Linear) or node.target is F.linear
    # a linear layer over rows or columns mixes cells
    return None if layout is not None and over_last and layout[-1] != 1 else layout


def _moved(node: fx.Node, axes: int) -> tuple[int, ...]:
    """Return which axis of the input each axis of the output is, found on a probe."""
    probe: Any = torch.empty(*range(1, axes + 1), device="meta")
    args, kwargs = node.args[1:], {k: v for k, v in node.kwargs.items() if k != "input"}
    if node.op == "call_method":
        moved = getattr(probe, str(node.target))(*args, **kwargs)
    else:
        moved = node.target(probe, *args, **kwargs)  # type: ignore[operator]
    return tuple(size - 1 for size in moved.shape)
