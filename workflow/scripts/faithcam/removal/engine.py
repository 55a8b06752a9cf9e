"""Removing regions of images one after another, in the order of a map."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from faithcam.models.axialnet import AxialNet
from faithcam.models.inference import Prepared
from faithcam.removal.grid import Regions, region_of
from faithcam.removal.incremental import Incremental
from faithcam.removal.orders import distinct

# What it costs to handle one layer's windows at one step, in multiplications of a convolution:
# measured on a CPU (about 0.1 ms), an estimate for GPUs (some ten small kernels).
HANDLING = {"cpu": 5e6, "cuda": 2e9}


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
            regions: see :func:`faithcam.removal.grid.grid`.
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
        of_slices = self._slices.logits(
            volumes.flatten(0, 1),
            [order.flatten(0, 1) for order, _ in split],
            (plane[0], plane[1]),
            [replacement.flatten(0, 1) for replacement in replacements],
        )
        of_slices = of_slices.view(*of_slices.shape[:2], *volumes.shape[:2], *of_slices.shape[3:])
        results = []
        for logits, (_, steps) in zip(of_slices, split, strict=True):
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
        if not isinstance(self._model, Prepared) or images.device.type not in HANDLING:
            return None
        shape, device = tuple(images.shape[1:]), images.device
        key = (shape, device, *(tuple(part.tolist()) for part in regions))
        if key not in self._prepared:
            rows, columns = regions
            model: Any = self._model  # of any class that is marked so
            self._prepared[key] = Incremental(model, images, rows, columns)
        prepared = self._prepared[key]
        saved = prepared.saved * min(len(images), self._together(prepared))
        pays = saved > HANDLING[device.type] * prepared.layers
        return prepared if pays and prepared.exact else None


def _split(order: Tensor, layers: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return each slice's part of an order of the regions of volumes.

    Args:
        order: regions' indices, first removed first, (N, L).
        layers: region layer of each slice, (S,).
        count: regions that a slice is cut into.

    Returns:
        The order of a slice's regions, (N, S, count), and how many of them are removed at each step
        of the volume, (N, S, L + 1).
    """
    orders, steps = [], []
    for layer in range(int(layers.max()) + 1):
        in_layer = order // count == layer
        # a stable sort keeps the order among the layer's regions, which come first
        places = (~in_layer).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
        orders.append(order.gather(1, places) % count)
        steps.append(nn.functional.pad(in_layer.cumsum(1), (1, 0)))
    return torch.stack(orders, 1)[:, layers], torch.stack(steps, 1)[:, layers]


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
