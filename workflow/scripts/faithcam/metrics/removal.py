"""Removing regions of images one after another, in the order of a map."""

from typing import Literal

import torch
from torch import Tensor, nn

from faithcam.views import upsampled

Padding = Literal["zeros", "none"]


def grid(size: tuple[int, int], region: int | tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the region row of each pixel row and the region column of each pixel column.

    Args:
        size: (H, W) of the images in pixels.
        region: side of square regions in pixels, those at the right and bottom may be smaller; or
            (h, w) native cells, where cell i covers the pixels floor(i H / h) to
            floor((i + 1) H / h).

    Returns:
        Region rows (H,) and region columns (W,), both int64.

    Raises:
        ValueError: if a region is larger than the image.
    """
    if isinstance(region, int):
        if not 0 < region <= min(size):
            raise ValueError(f"region: {region} px found, expected 1 to {min(size)}")
        return torch.arange(size[0]) // region, torch.arange(size[1]) // region
    edges = [
        torch.tensor([i * pixels // cells for i in range(1, cells)], dtype=torch.int64)
        for pixels, cells in zip(size, region, strict=True)
    ]
    rows, columns = (
        torch.bucketize(torch.arange(pixels), edge, right=True)
        for pixels, edge in zip(size, edges, strict=True)
    )
    return rows, columns


def region_means(maps: Tensor, region: int, padding: Padding = "none") -> Tensor:
    """Return the mean of each map over each region.

    Args:
        maps: (N, H, W).
        region: side of the regions in pixels.
        padding: regions cut by the border are averaged over the pixels that exist (``none``), or as
            if the image went on with zeros (``zeros``, thesis protocol).

    Returns:
        (N, L) float32, regions row by row. The sums are in float64, so that regions which are equal
        in exact arithmetic are tied and not ordered by rounding errors.
    """
    averages = []
    for index in grid((maps.shape[1], maps.shape[2]), region):
        members = nn.functional.one_hot(index.to(maps.device)).T.double()
        count = members.sum(1, keepdim=True) if padding == "none" else region
        averages.append(members / count)
    return (averages[0] @ maps.double() @ averages[1].T).flatten(1).float()


def region_values(raw: Tensor, region: int | tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return the strict protocol's relevance of each region: (N, h, w) raw maps -> (N, L).

    Native cells keep their own value; square regions average the upsampled signed map.
    """
    if isinstance(region, int):
        return region_means(upsampled(raw, size), region)
    return raw.flatten(1)


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


@torch.no_grad()
def removal_logits(
    model: nn.Module,
    images: Tensor,
    order: Tensor,
    rows: Tensor,
    columns: Tensor,
    replacement: Tensor,
) -> Tensor:
    """Return the logits while regions are removed one after another and stay removed.

    Each forward pass holds the states of one step of one order, so a curve does not depend on what
    else is computed.

    Args:
        model: images (N, C, H, W) -> logits (N, classes).
        images: the unperturbed images.
        order: regions' indices, first removed first, (N, L).
        rows: region row of each pixel row, (H,); see :func:`grid`.
        columns: region column of each pixel column, (W,).
        replacement: what is put in place of the pixels, (N, C, H, W).

    Returns:
        (N, L + 1, classes), the first one unperturbed.
    """
    labels = (rows[:, None] * (int(columns.max()) + 1) + columns).to(images.device)
    state = images.clone()
    logits = [model(state)]
    for step in order.T:
        removed = (labels == step[:, None, None])[:, None]
        state = torch.where(removed, replacement, state)
        logits.append(model(state))
    return torch.stack(logits, 1)
