"""Networks of timm, which is optional, by name.

Their family is :mod:`faithcam.models.families.timm`.
"""

from importlib.metadata import version
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.models.torchvision_nets import import_torchvision


class Features(nn.Module):
    """Features of a network of timm, before its pooling: images (N, 3, H, W) -> A (N, K, h, w).

    What timm puts between pooling and classifier is not used, but stays among its parameters.

    Args:
        name: of the network, freshly initialised.

    Raises:
        FaithcamError: if timm is not installed or does not know the network.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        timm: Any = import_timm()
        try:
            self.network = timm.create_model(name, pretrained=False, num_classes=0)
        except RuntimeError as error:
            raise FaithcamError(
                f"architectures: timm:{name} cannot be made by timm {version('timm')}: {error}; "
                "`timm.list_models()` lists what it knows"
            ) from error

    def forward(self, images: Tensor) -> Tensor:
        """Return A, (N, K, h, w)."""
        activations: Tensor = self.network.forward_features(images)
        return activations


def import_timm() -> ModuleType:
    """Import timm.

    Raises:
        FaithcamError: if it is not installed.
    """
    import_torchvision()
    try:
        import timm
    except ImportError as error:
        raise FaithcamError(
            f"timm cannot be imported ({error}), but an architecture timm:NAME needs it; install "
            "requirements-timm.txt"
        ) from error
    module: ModuleType = timm
    return module
