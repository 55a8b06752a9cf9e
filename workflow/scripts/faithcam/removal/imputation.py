"""Noisy linear imputation: removed pixels become weighted means of their neighbours.

Source: arXiv 2202.00449, sec. 4.3: direct neighbours weigh 1/6, diagonal ones 1/12; at the border
the weights of those that exist count alone. The sparse linear system is symmetric and positive
definite, and is solved for all images at once by conjugate gradients (Hestenes and Stiefel 1952),
whose product with the matrix is a stencil on the images.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from faithcam.core.errors import FaithcamError

TOLERANCE = 1e-5  # of the residual, relative to the right-hand side's norm
STEPS = 10  # at most, per row and column; some tenths of that are usual
NOISE = 0.01  # standard deviation


def neighbours(values: Tensor) -> Tensor:
    """Return the weighted sum of each pixel's neighbours: (N, C, H, W) -> the same."""
    padded = F.pad(values, (1, 1, 1, 1))
    rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    square = rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]
    return (square - 4 * values) / 12


def imputed(images: Tensor, removed: Tensor, start: Tensor | None = None) -> Tensor:
    """Return images whose removed pixels solve the linear system, without noise.

    An image's iterations end when its own residual is small: what else is in the batch does not
    matter.

    Args:
        images: (N, C, H, W).
        removed: bool, (N, H, W); at least one pixel of each image is not removed.
        start: first guess of the solution, (N, C, H, W); it saves iterations.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: if all pixels of an image are removed.
        FaithcamError: if the iterations do not end.
    """
    if bool(removed.flatten(1).all(1).any()):
        raise ValueError("removed: all pixels of an image found, expected at least one to stay")
    unknown = removed[:, None].to(images.dtype)
    weights = neighbours(torch.ones_like(images[:1, :1]))
    right = unknown * neighbours(images * (1 - unknown))
    solution = unknown * (torch.zeros_like(images) if start is None else start)

    def product(x: Tensor) -> Tensor:
        return unknown * (weights * x - neighbours(x))

    def dot(x: Tensor, y: Tensor) -> Tensor:
        return (x * y).sum((2, 3), keepdim=True)

    residual = right - product(solution)
    limit = TOLERANCE**2 * dot(right, right)
    direction, size = residual, dot(residual, residual)
    for _ in range(STEPS * sum(images.shape[2:])):
        active = size > limit
        if not bool(active.any()):
            break
        moved = product(direction)
        curvature = dot(direction, moved)
        step = torch.where(active, size / torch.where(active, curvature, 1), 0)
        solution = solution + step * direction
        residual = residual - step * moved
        new = torch.where(active, dot(residual, residual), size)
        direction = (
            residual + torch.where(active, new / torch.where(active, size, 1), 0) * direction
        )
        size = new
    else:
        raise FaithcamError(
            f"imputation: a residual of {float((size / limit).amax()) ** 0.5:.2g} times its limit "
            f"after {STEPS} steps per row and column of {images.shape[2]} x {images.shape[3]} px, "
            "expected it below; remove smaller shares (road.shares)"
        )
    return torch.where(removed[:, None], solution, images)
