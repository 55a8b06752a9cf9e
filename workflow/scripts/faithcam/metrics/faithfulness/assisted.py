"""Heatmap-assisted images: what a network sees when a map amplifies its image.

Source: 10.1109/ACCESS.2022.3184453.
"""

from torch import Tensor

from faithcam.core.views import masked, size_of


def heatmap_assisted(images: Tensor, maps: Tensor) -> Tensor:
    """Return the heatmap-assisted images clip(x (1 + m), -1, 1).

    Args:
        images: x, (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        maps: m, (N, H, W) or (N, S, H, W), ``scaled`` or ``normalised`` view; a map of zeros
            changes nothing.

    Returns:
        Images like ``images``.

    Raises:
        ValueError: if the maps do not have the images' size.
    """
    expected = (len(images), *size_of(images))
    if maps.shape != expected:
        raise ValueError(
            f"maps {tuple(maps.shape)} found, expected {expected} for images {tuple(images.shape)}"
        )
    return masked(images, 1 + maps).clamp(-1, 1)


def assisted_statuses(statuses: list[str], maps: Tensor) -> list[str]:
    """Return the statuses of maps as amplifiers: a constant one has no ranks, but amplifies, too.

    Args:
        statuses: of :func:`faithcam.core.views.statuses`.
        maps: (N, *cells); those that are not finite stay undefined.
    """
    finite = maps.flatten(1).isfinite().all(1).tolist()
    return [
        "ok" if status == "undefined" and fine else status
        for status, fine in zip(statuses, finite, strict=True)
    ]
