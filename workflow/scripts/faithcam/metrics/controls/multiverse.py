"""Multiverse: AOPC of HiResCAM and Grad-CAM in every declared specification.

Factors: the map's view and explained score, the grid of regions and whether it is corrected for
the offset of the cells' receptive fields, the imputer and the noise replicate.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor

from faithcam.core.explained import ExplainedScore
from faithcam.core.views import View, scaled, statuses
from faithcam.maps.explain import maps_of
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.curves import aopc_of, drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.grid import grid, region_means, region_values
from faithcam.removal.orders import order_of

Region = int | tuple[int, ...]
Fill = tuple[str, str]  # imputer and replicate


def values_of(
    raw: Tensor, view: View, region: Region, size: tuple[int, int], offset: float
) -> Tensor:
    """Return the relevance of each region in a view: (N, h, w) raw maps -> (N, L).

    Native cells keep their own value (``scaled``: after ReLU, since min-max changes no order);
    squares average the upsampled map, its cells' centres moved by ``offset`` pixels.
    """
    if view == "signed":
        return region_values(raw, region, size, offset)
    if isinstance(region, int):
        return region_means(scaled(raw, size, offset), region)
    return raw.clamp(min=0).flatten(1)


def score(
    inputs: Inputs, evaluations: Sequence[Evaluation], *, draws: int, offset: float
) -> Scores:
    """Score HiResCAM and Grad-CAM by AOPC of the class probability in all specifications.

    Beside them stands the range of all curves of an imputer, f(x0) - f(everything removed); what
    inpainting leaves depends on the grid: there it is that of the first one.

    Args:
        inputs: of a network with a Flatten head.
        evaluations: what is asked.
        draws: of the noise.
        offset: of the cells' centres in pixels, which grids may be corrected for.
    """
    scores = Scores()
    by_grid = grouped(evaluations, "grid")
    ranges = by_grid.pop(("",), [])
    asked = [evaluation for group in by_grid.values() for evaluation in group]
    A = inputs.network.activations(inputs.images)
    raw = {
        (explained_score, method): maps
        for (explained_score,), group in grouped(asked, "explained_score").items()
        for method, maps in maps_of(
            inputs.network,
            A,
            inputs.classes,
            methods_of(group),
            cast(ExplainedScore, explained_score),
        ).items()
    }
    ends: dict[Fill, Tensor] = {}
    cells = (A.shape[2], A.shape[3])
    for (name,), group in by_grid.items():
        # native cells move with their centres; squares stay where they are, and the maps move
        parts = list(grouped(group, "offset").values()) if name == "native" else [group]
        for part in parts:
            region = cells if name == "native" else int(name)
            _score(inputs, region, offset, draws, part, raw, ends, scores)
    for evaluation in ranges:
        end = ends[evaluation.setting["imputer"], evaluation.setting["replicate"]]
        for method in evaluation.methods:
            scores.add(evaluation, method, end)
    return scores


def _score(
    inputs: Inputs,
    region: Region,
    offset: float,
    draws: int,
    asked: Sequence[Evaluation],
    raw: dict[tuple[str, str], Tensor],
    ends: dict[Fill, Tensor],
    scores: Scores,
) -> None:
    """Add the scores under one grid of regions, and the first end of a curve of each fill."""
    images = inputs.images
    size = (images.shape[2], images.shape[3])
    moved = {"none": 0.0, "corrected": offset}
    where = asked[0].setting["offset"]
    regions = grid(size, region, moved[where])
    count = (int(regions[0].max()) + 1) * (int(regions[1].max()) + 1)
    keys = inputs.noise.uniform("aopc ties", 0, (count,))
    orders = {
        (place, view, explained_score, method): order_of(
            values_of(raw[explained_score, method], cast(View, view), region, size, moved[place]),
            keys,
        )
        for (place, view, explained_score), group in grouped(
            asked, "offset", "view", "explained_score"
        ).items()
        for method in methods_of(group)
    }
    fills = {
        (imputer, replicate): inputs.replacements(imputer, int(replicate), draws, regions)
        for imputer, replicate in grouped(asked, "imputer", "replicate")
    }
    pixels = [pixels for part in fills.values() for pixels in part]
    logits = inputs.removal.logits(images, list(orders.values()), regions, pixels)
    curves: dict[tuple[str, ...], Tensor] = {}
    for key, part in zip(orders, logits, strict=True):
        parts = part.split([len(fill) for fill in fills.values()])
        for fill, drawn in zip(fills, parts, strict=True):
            curve = drops(drawn, inputs.classes, "probability").mean(0)
            curves[(*key, *fill)] = curve
            ends.setdefault(fill, curve[:, -1])
    for evaluation in asked:
        s = evaluation.setting
        for method in evaluation.methods:
            of = (
                s["offset"],
                s["view"],
                s["explained_score"],
                method,
                s["imputer"],
                s["replicate"],
            )
            status = statuses(raw[s["explained_score"], method], cast(View, s["view"]))
            scores.add(evaluation, method, aopc_of(curves[of]), status)
