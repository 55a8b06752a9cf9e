"""Control: a Grad-CAM that adds up to the class score."""

from torch import Tensor


def completed_gradcam(gradcam: Tensor, hirescam: Tensor) -> Tensor:
    """Return gradcam + (sum hirescam - sum gradcam) / Z: complete, with Grad-CAM's ranks.

    Args:
        gradcam: raw maps (N, h, w).
        hirescam: raw maps (N, h, w), which add up to the score.

    Returns:
        The raw signed maps (N, h, w).
    """
    return gradcam + (hirescam - gradcam).mean((1, 2), keepdim=True)
