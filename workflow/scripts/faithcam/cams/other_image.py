"""Control: another image's HiResCAM."""

from collections.abc import Sequence

from torch import Tensor

from faithcam import seeding
from faithcam.cams.hirescam import hirescam


def other_image(other_activations: Tensor, gradients: Tensor) -> Tensor:
    """Return the HiResCAM of other images for the classes that are explained here.

    Args:
        other_activations: A of the other images, (N, K, h, w).
        gradients: dy_c/dA of the classes explained here, (N, K, h, w).

    Returns:
        The raw signed maps (N, h, w).
    """
    return hirescam(other_activations, gradients)


def partners(image_ids: Sequence[int], seed: int, dataset: str) -> dict[int, int]:
    """Return each image's other image: the next one in a keyed circular order, never itself.

    Args:
        image_ids: all explained images, at least two.
        seed: the experiment's.
        dataset: its name.
    """
    order = sorted(image_ids, key=lambda i: seeding.key(seed, dataset, i, "other image"))
    return dict(zip(order, [*order[1:], order[0]], strict=True))
