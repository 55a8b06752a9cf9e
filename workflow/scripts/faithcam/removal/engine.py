"""Removing regions of images one after another, in the order of a map."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from faithcam.core.views import upsampled
from faithcam.models.axialnet import AxialNet
from faithcam.models.inference import InferenceNet
from faithcam.removal.incremental import Incremental
from faithcam.removal.sides import sides_of

Padding = Literal["zeros", "none"]
Regions = tuple[Tensor, ...]  # along each axis, see grid

# What it costs to handle one layer's windows at one step, in multiplications of a convolution:
# measured on a CPU (about 0.1 ms), an estimate for GPUs (some ten small kernels).
HANDLING = {"cpu": 5e6, "cuda": 2e9}


def grid(size: tuple[int, ...], region: int | tuple[int, ...], offset: float = 0.0) -> Regions:
    """Return the region row of each pixel row and the region column of each pixel column.

    Args:
        size: (H, W) of the images in pixels, or (S, H, W) of volumes.
        region: side of square regions in pixels, those at the right and bottom may be smaller, of
            cubic ones in volumes, see :func:`sides_of`; or (h, w) native cells, where cell i covers
            the pixels floor(i H / h) to floor((i + 1) H / h), of volumes (S, h, w): each slice has
            cells of its own.
        offset: pixels by which the cells' edges are moved, so that the first and the last cell
            shrink or grow; half pixels are rounded down. Squares stay where they are.

    Returns:
        Region rows (H,) and region columns (W,), both int64; of volumes region layers (S,) before.

    Raises:
        ValueError: if a region is larger than the image, or is moved out of it.
    """
    if isinstance(region, int):
        if not 0 < region <= min(size[-2:]):
            raise ValueError(f"region: {region} px found, expected 1 to {min(size[-2:])}")
        sides = sides_of(size, region)
        return tuple(torch.arange(n) // side for n, side in zip(size, sides, strict=True))
    moved = math.ceil(offset - 0.5)
    edges = [
        torch.tensor([i * pixels // cells + moved for i in range(1, cells)], dtype=torch.int64)
        for pixels, cells in zip(size, region, strict=True)
    ]
    if any(len(e) and not 0 < e[0] <= e[-1] < n for e, n in zip(edges, size, strict=True)):
        raise ValueError(f"offset: {offset} px moves a cell of {region} out of the image {size}")
    return tuple(
        torch.bucketize(torch.arange(pixels), edge, right=True)
        for pixels, edge in zip(size, edges, strict=True)
    )


def region_of(regions: Regions) -> Tensor:
    """Return the index of each pixel's region, row by row: (H, W), of volumes (S, H, W) int64."""
    labels = torch.zeros((), dtype=torch.int64)
    for index in regions:
        labels = labels[..., None] * (int(index.max()) + 1) + index
    return labels


def region_means(maps: Tensor, region: int, padding: Padding = "none") -> Tensor:
    """Return the mean of each map over each region.

    Args:
        maps: (N, H, W), or (N, S, H, W) of volumes.
        region: side of the regions in pixels, see :func:`grid`.
        padding: regions cut by the border are averaged over the pixels that exist (``none``), or as
            if the image went on with zeros (``zeros``, thesis protocol).

    Returns:
        (N, L) float32, regions row by row. The sums are in float64, so that regions which are equal
        in exact arithmetic are tied and not ordered by rounding errors.
    """
    size = tuple(maps.shape[1:])
    averages = []
    for index, side in zip(grid(size, region), sides_of(size, region), strict=True):
        members = nn.functional.one_hot(index.to(maps.device)).T.double()
        count = members.sum(1, keepdim=True) if padding == "none" else side
        averages.append(members / count)
    means = averages[-2] @ maps.double() @ averages[-1].T
    if maps.ndim == 4:
        means = averages[0] @ means.flatten(2)
    return means.flatten(1).float()


def region_values(
    raw: Tensor, region: int | tuple[int, ...], size: tuple[int, ...], offset: float = 0.0
) -> Tensor:
    """Return the strict protocol's relevance of each region: (N, h, w) raw maps -> (N, L).

    Native cells keep their own value; square regions average the upsampled signed map, whose cells
    may be centred elsewhere (``offset``, see :func:`faithcam.core.views.upsampled`). Maps of
    volumes are (N, S, h, w).
    """
    if isinstance(region, int):
        return region_means(upsampled(raw, size, offset), region)
    return raw.flatten(1)


def additive_drops(contributions: Tensor, order: Tensor) -> Tensor:
    """Return how far a sum of contributions falls while they are taken away, one after another.

    Args:
        contributions: of each region, (N, L).
        order: regions' indices, first removed first, (N, L).

    Returns:
        (N, L + 1) float64, the first 0.
    """
    removed = contributions.double().gather(1, order)
    # not cumsum, which is not deterministic on GPUs
    return removed @ removed.new_ones(order.shape[1], order.shape[1] + 1).triu(1)


def distinct(tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Return the tensors without repetitions, and where among them each one's equal is."""
    different: list[Tensor] = []
    places = []
    for tensor in tensors:
        found = (i for i, other in enumerate(different) if torch.equal(tensor, other))
        places.append(next(found, len(different)))
        if places[-1] == len(different):
            different.append(tensor)
    return different, places


def order_of(values: Tensor, tie_keys: Tensor | None = None) -> Tensor:
    """Return the regions' indices, most relevant first (MoRF).

    Args:
        values: relevance of each region, (N, L).
        tie_keys: distinct numbers (N, L) that order equal values; without them the lower index
            comes first (raster order, thesis protocol).

    Returns:
        (N, L) int64.
    """
    if tie_keys is None:
        return values.argsort(dim=1, descending=True, stable=True)
    shuffled = tie_keys.argsort(dim=1, stable=True)
    return shuffled.gather(
        1, values.gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    )


def tied_share(values: Tensor) -> Tensor:
    """Return the share of regions whose value another region of the map has too: (N, L) -> (N,)."""
    ordered = values.sort(1).values
    same = ordered[:, 1:] == ordered[:, :-1]
    none = same.new_zeros(len(same), 1)
    tied = torch.cat([none, same], 1) | torch.cat([same, none], 1)
    return tied.double().mean(1)


class Removal:
    """Logits of a network while images lose their regions one after another.

    Two evaluators give the same logits up to float32 rounding: one forward pass per step, or
    ``incremental``, which computes only what a step changes. The second one is used where it saves
    work: the choice follows from network, image size, regions and number of images alone.

    Of an :class:`faithcam.models.axialnet.AxialNet`, whose logits are the mean of those of its
    slices, each slice loses its regions by itself, in either way: a step changes no slice that it
    does not touch. Other networks see whole volumes.

    Args:
        model: images (N, C, H, W), or volumes (N, S, C, H, W), -> logits (N, classes); incremental
            evaluation needs one from :func:`faithcam.models.inference.for_inference`.
        memory_mb: for the maps that the incremental evaluator keeps, in megabytes; it decides how
            many images advance together (at least one).
    """

    def __init__(self, model: nn.Module, memory_mb: float = 2000) -> None:
        self._model = model
        self._memory = memory_mb * 1e6
        self._prepared: dict[tuple[object, ...], Incremental] = {}
        self._slices: Removal | None = None

    @torch.no_grad()
    def logits(
        self,
        images: Tensor,
        orders: Sequence[Tensor],
        regions: Regions,
        replacements: Sequence[Tensor],
    ) -> Tensor:
        """Remove the regions in every order, with every replacement; what is removed stays so.

        All images of a pass are at one step of one order, so a curve does not depend on what else
        is computed. The unperturbed pass is made once, and equal orders are evaluated once.

        Args:
            images: the unperturbed images, (N, C, H, W), or volumes (N, S, C, H, W).
            orders: regions' indices, first removed first, each (N, L).
            regions: region row of each pixel row and region column of each pixel column, of volumes
                the region layer of each slice before, see :func:`grid`.
            replacements: what is put in place of the pixels, each like the images.

        Returns:
            (orders, replacements, N, L + 1, classes) float32, the first step unperturbed.
        """
        different, places = distinct(orders)
        if len(regions) == 3:
            return self._of_volumes(images, different, regions, replacements)[places]
        incremental = self.incremental(images, regions)
        if incremental is None:
            results = one_pass_per_step(self._model, images, different, regions, replacements)
        else:
            parts = torch.arange(len(images)).tensor_split(
                -(-len(images) // self._together(incremental))
            )
            results = torch.cat(
                [
                    incremental.logits(
                        images[part], [o[part] for o in different], [r[part] for r in replacements]
                    )
                    for part in (slice(int(p[0]), int(p[-1]) + 1) for p in parts)
                ],
                2,
            )
        return results[places]

    def _of_volumes(
        self,
        volumes: Tensor,
        orders: Sequence[Tensor],
        regions: Regions,
        replacements: Sequence[Tensor],
    ) -> Tensor:
        """Return the logits of volumes, see :meth:`logits`."""
        if not isinstance(self._model, AxialNet):
            return one_pass_per_step(self._model, volumes, orders, regions, replacements)
        if self._slices is None:
            self._slices = Removal(self._model.of_slice(), self._memory / 1e6)
        layers, *plane = regions
        count = math.prod(int(index.max()) + 1 for index in plane)
        layers = layers.to(volumes.device)
        split = [_split(order, layers, count) for order in orders]
        found = self._slices.logits(
            volumes.flatten(0, 1),
            [own.flatten(0, 1) for own, _ in split],
            (plane[0], plane[1]),
            [replacement.flatten(0, 1) for replacement in replacements],
        )
        found = found.view(*found.shape[:2], *volumes.shape[:2], *found.shape[3:])
        results = []
        for logits, (_, steps) in zip(found, split, strict=True):
            index = steps[None, ..., None].expand(*logits.shape[:3], -1, logits.shape[-1])
            results.append(logits.gather(3, index).mean(2))
        return torch.stack(results)

    def _together(self, incremental: Incremental) -> int:
        return max(1, int(self._memory // incremental.bytes_per_image))

    def incremental(self, images: Tensor, regions: Regions) -> Incremental | None:
        """Return the incremental evaluator for such images and regions, None if it saves nothing.

        What it saves is a number of multiplications, what it costs is expressed in the same unit:
        the choice depends on shapes, not on how long anything took.
        """
        if not isinstance(self._model, InferenceNet) or images.device.type not in HANDLING:
            return None
        shape, device = tuple(images.shape[1:]), images.device
        key = (shape, device, *(tuple(part.tolist()) for part in regions))
        if key not in self._prepared:
            rows, columns = regions
            self._prepared[key] = Incremental(self._model, images, rows, columns)
        prepared = self._prepared[key]
        saved = prepared.saved * min(len(images), self._together(prepared))
        pays = saved > HANDLING[device.type] * prepared.layers
        return prepared if pays and prepared.exact else None


def _split(order: Tensor, layers: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return each slice's own part of an order of the regions of volumes.

    Args:
        order: regions' indices, first removed first, (N, L).
        layers: region layer of each slice, (S,).
        count: regions that a slice is cut into.

    Returns:
        The order of a slice's regions, (N, S, count), and how many of them are removed at each step
        of the volume, (N, S, L + 1).
    """
    found, steps = [], []
    for layer in range(int(layers.max()) + 1):
        ours = order // count == layer
        # a stable sort keeps the order among the layer's own, which come first
        places = (~ours).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
        found.append(order.gather(1, places) % count)
        steps.append(nn.functional.pad(ours.cumsum(1), (1, 0)))
    return torch.stack(found, 1)[:, layers], torch.stack(steps, 1)[:, layers]


def one_pass_per_step(
    model: nn.Module,
    images: Tensor,
    orders: Sequence[Tensor],
    regions: Regions,
    replacements: Sequence[Tensor],
) -> Tensor:
    """Return what :meth:`Removal.logits` returns, computing every state as a whole."""
    labels = region_of(regions).to(images.device)
    unperturbed = model(images)
    results = []
    for order in orders:
        for replacement in replacements:
            state, logits = images, [unperturbed]
            for region in order.T:
                removed = (labels == region.view(-1, *[1] * labels.ndim)).unsqueeze(-3)
                state = torch.where(removed, replacement, state)
                logits.append(model(state))
            results.append(torch.stack(logits, 1))
    return torch.stack(results).view(len(orders), len(replacements), *results[0].shape)
