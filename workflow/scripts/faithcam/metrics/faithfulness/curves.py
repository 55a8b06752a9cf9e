"""Curves of a class score while regions are removed, and the numbers made of them.

Source: arXiv 1509.06321, eq. 12.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

from torch import Tensor, nn

from faithcam.core.explained import probabilities
from faithcam.core.views import size_of
from faithcam.metrics.inputs import Inputs
from faithcam.removal.engine import Removal
from faithcam.removal.grid import Regions, grid, region_means
from faithcam.removal.orders import order_of

Name = TypeVar("Name")
Output = Literal["probability", "logit"]


def drops(logits: Tensor, classes: Tensor, output: Output, *, multi_label: bool = False) -> Tensor:
    """Return f(x0) - f(xk) in float64: (..., N, L + 1, classes) logits -> (..., N, L + 1).

    ``probability``: f is the softmax of the class. ``logit``: the centred logit y_c - mean_j y_j.
    With ``multi_label`` labels per image the sigmoid and y_c itself.
    """
    logits = logits.double()
    if output == "probability":
        scores = probabilities(logits, multi_label=multi_label)
    else:
        scores = logits if multi_label else logits - logits.mean(-1, keepdim=True)
    chosen = scores.gather(-1, classes[:, None, None].expand(*scores.shape[:-1], 1))[..., 0]
    return chosen[..., :1] - chosen


def aopc_of(curve: Tensor, fraction: float = 1.0) -> Tensor:
    """Return AOPC, the mean of the drops of steps 0 .. ceil(fraction L): (.., L + 1) -> (..)."""
    regions = curve.shape[-1] - 1
    # the small number keeps 0.1 * 30 = 3.0000000000000004 from being rounded up to 4
    steps = -int(-(fraction * regions - 1e-9) // 1)
    return curve[..., : steps + 1].mean(-1)


def area_of(curve: Tensor) -> Tensor:
    """Return the area under curves over the share of regions: (.., L + 1) -> (..)."""
    return (curve[..., 1:] + curve[..., :-1]).mean(-1) / 2


def perturbation_drops(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    maps: Tensor,
    region: int,
    replacement: Tensor,
) -> Tensor:
    """Return the drops of the class probability, thesis protocol (MoRF, raster order of ties).

    Args:
        model: images -> logits, in eval mode; one made by
            :func:`faithcam.models.inference.for_inference` is evaluated faster.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: index of the class whose probability is followed, (N,).
        maps: at image resolution, (N, H, W); of volumes (N, S, H, W).
        region: side of the square regions in pixels; of volumes they are cubic, see
            :func:`faithcam.removal.grid.grid`.
        replacement: pixels to put in place of removed ones, like the images.

    Returns:
        f(x0) - f(xk) for k = 0 .. L, (N, L + 1) float64; AOPC is its mean over k.

    Raises:
        ValueError: if the region is larger than the images or a shape does not fit.
    """
    if maps.shape[1:] != size_of(images) or replacement.shape != images.shape:
        raise ValueError(
            f"images {tuple(images.shape)}, maps {tuple(maps.shape)} and replacement "
            f"{tuple(replacement.shape)} do not fit: expected (N, C, H, W), (N, H, W), (N, C, H, W)"
            ", or those of volumes"
        )
    order = order_of(region_means(maps, region, "zeros"))
    regions = grid(size_of(images), region)
    logits = Removal(model).logits(images, [order], regions, [replacement])
    return drops(logits[0, 0], classes, "probability")


def mean_drops(
    inputs: Inputs,
    regions: Regions,
    replacements: list[Tensor],
    orders: Mapping[Name, Tensor],
    outputs: tuple[Output, ...] = ("probability",),
) -> dict[tuple[Name, Output], Tensor]:
    """Return each order's and output's drops, averaged over the replacements: (N, L + 1).

    Args:
        inputs: the images, and the classes whose score is followed.
        regions: see :func:`faithcam.removal.grid.grid`.
        replacements: what is put in place of pixels, each like the images.
        orders: regions' indices, first removed first, (N, L) each.
        outputs: scores that are followed.
    """
    logits = inputs.removal.logits(inputs.images, list(orders.values()), regions, replacements)
    return {
        (name, output): drops(part, inputs.classes, output, multi_label=inputs.multi_label).mean(0)
        for name, part in zip(orders, logits, strict=True)
        for output in outputs
    }


def srg(inputs: Inputs, regions: Regions, replacement: Tensor, values: Tensor) -> Tensor:
    """Return AOPC(MoRF) - AOPC(LeRF) of the class probability, raster order of ties.

    The symmetric relevance gain, arXiv 2401.06654, the area between both curves.

    Args:
        inputs: the images, and the classes whose probability is followed.
        regions: rows and columns, of volumes layers before, from
            :func:`faithcam.removal.grid.grid`.
        replacement: like the images.
        values: relevance of each region, (N, L).

    Returns:
        (N,) float64; changes its sign with the values, where no two of them are equal.
    """
    order = order_of(values)
    orders = {"morf": order, "lerf": order.flip(1)}
    curves = mean_drops(inputs, regions, [replacement], orders)
    return aopc_of(curves["morf", "probability"]) - aopc_of(curves["lerf", "probability"])
