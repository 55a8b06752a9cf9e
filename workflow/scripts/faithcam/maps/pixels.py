"""Attributions of pixels: the score as captum asks for it, sums over the pixels of a cell.

They stand beside the class activation maps as references: none needs the activations A. Each takes
``model`` (see ``faithcam.maps.explain.Explainable``), ``images`` x (N, C, H, W) in [-1, 1], the
``classes`` explained (N,), which ``explained_score`` of theirs, and ``cells`` (h, w); it returns
the raw signed maps (N, h, w).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from faithcam.core.explained import ExplainedScore, scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def explained(model: Any, explained_score: ExplainedScore) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function of images (M, C, H, W) and classes (M,): the scores explained, (M,)."""
    return lambda images, classes: scores(
        model.logits(model.activations(images)), classes, explained_score
    )


@contextmanager
def with_gradients() -> Iterator[None]:
    """Allow a backward pass inside, whatever mode the job is in; clone the tensors given."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        yield


def cell_of(pixels: int, cells: int, device: torch.device) -> Tensor:
    """Return the row (column) of cells of each row (column) of pixels, (pixels,) int64.

    Cell i has the pixels from floor(i pixels / cells) to floor((i + 1) pixels / cells) - 1.
    """
    import torch

    ends = torch.arange(1, cells, device=device) * pixels // cells
    return torch.bucketize(torch.arange(pixels, device=device), ends, right=True)


def cell_sums(attributions: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return what the pixels of each cell add up to, over channels too.

    Args:
        attributions: of pixels, (N, C, H, W).
        cells: (h, w).

    Returns:
        (N, h, w).
    """
    import torch

    rows, columns = (
        torch.nn.functional.one_hot(cell_of(pixels, count, attributions.device), count).double()
        for pixels, count in zip(attributions.shape[2:], cells, strict=True)
    )
    return (rows.T @ attributions.double().sum(1) @ columns).to(attributions.dtype)


def on_cells(maps: Tensor, cells: tuple[int, ...]) -> Tensor:
    """Return maps of cells, or of pixels by what those of a cell add up to (:func:`cell_sums`).

    Args:
        maps: of cells (N, h, w) or pixels (N, H, W); of volumes with slices before the rows.
        cells: (h, w), of volumes (s, h, w).

    Returns:
        (N, h, w), of volumes (N, s, h, w).
    """
    if tuple(maps.shape[1:]) == cells:
        return maps
    sums = cell_sums(maps.reshape(-1, 1, *maps.shape[-2:]), (cells[-2], cells[-1]))
    return sums.reshape(len(maps), *cells)


def given_on_cells(name: str, raw: Any, images: Tensor, cells: tuple[int, ...]) -> Tensor:
    """Return maps that somebody gave as raw maps of cells, float32, on the images' device.

    Args:
        name: of the maps.
        raw: tensor or array of real numbers, (N, h, w) of cells or (N, H, W) of pixels, which are
            added up over cells (:func:`cell_sums`); of one image without N, too.
        images: (N, C, H, W).
        cells: (h, w).

    Returns:
        (N, h, w).

    Raises:
        ValueError: if they are something else, or not finite.
    """
    import torch

    try:
        maps = raw.detach() if isinstance(raw, torch.Tensor) else torch.as_tensor(np.array(raw))
    except (TypeError, ValueError):  # objects, text, lists of different lengths
        maps = torch.zeros((), dtype=torch.bool)
    if len(images) == 1 and maps.ndim == len(cells):
        maps = maps[None]
    shapes = [(len(images), *cells), (len(images), *images.shape[-2:])]
    whole_or_real = not (maps.dtype == torch.bool or maps.is_complex())
    if whole_or_real and tuple(maps.shape) in shapes:
        exact = maps.to(images.device, torch.float64)
        if bool((numbers := on_cells(exact, cells).float()).isfinite().all()):
            return numbers
    kind = f"{tuple(np.shape(raw))} {raw.dtype}" if hasattr(raw, "dtype") else type(raw).__name__
    raise ValueError(
        f"maps: {name} {kind} found, expected a finite number per image and cell, {shapes[0]}, or "
        f"per pixel, {shapes[1]}"
    )
