"""HAAS: does the network classify better when the map amplifies the image?

Source: 10.1109/ACCESS.2022.3184453 (heatmap assisted accuracy score).
"""

from torch import Tensor


def heatmap_assisted(images: Tensor, maps: Tensor) -> Tensor:
    """Return the heatmap-assisted images clip(x (1 + m), -1, 1).

    Args:
        images: x, (N, C, H, W) in [-1, 1].
        maps: m, (N, H, W), ``scaled`` or ``normalised`` view; a map of zeros changes nothing.

    Returns:
        Images like ``images``.

    Raises:
        ValueError: if the maps do not have the images' size.
    """
    if maps.shape != images[:, 0].shape:
        raise ValueError(
            f"maps {tuple(maps.shape)} found, expected {tuple(images[:, 0].shape)} for images "
            f"{tuple(images.shape)}"
        )
    return (images * (1 + maps[:, None])).clamp(-1, 1)
