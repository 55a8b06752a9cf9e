"""torchvision's networks, as they are built and as they are published.

Importing this module does not import torch. A family whose features are what torchvision calls
``features`` takes these functions as they are.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from faithcam.core.errors import FaithcamError

if TYPE_CHECKING:
    from torch import Tensor, nn


def import_torchvision() -> ModuleType:
    """Import torchvision, also a CUDA build beside a torch for CPUs.

    That pair fails because torchvision's compiled operators cannot be loaded, yet two of them are
    looked up. Declaring these is enough for the models, which use neither.

    Raises:
        FaithcamError: if torchvision is not installed.
    """
    import torch

    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        import torchvision
    except ImportError as error:
        raise FaithcamError(
            f"torchvision cannot be imported ({error}); install it, or use resnet_small or "
            "vgg_small, which do not need it"
        ) from error
    module: ModuleType = torchvision
    return module


def network(name: str) -> Any:
    """Return a freshly initialised network of torchvision, with its classifier."""
    return import_torchvision().models.get_model(name)


def features(architecture: str) -> nn.Module:
    """Return its freshly initialised ``features``: images (N, 3, H, W) -> A (N, K, h, w)."""
    layers: nn.Module = network(architecture).features
    return layers


def published(name: str, state: dict[str, Tensor]) -> Any:
    """Return a network of torchvision with weights that are exactly its own.

    Raises:
        RuntimeError: if any is missing, unexpected or of another shape.
    """
    import torch

    with torch.device("meta"):
        whole = network(name)
    whole.load_state_dict(state, strict=True, assign=True)
    return whole


def published_features(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published weights that fits its ``features``.

    Raises:
        RuntimeError: as :func:`published`.
    """
    trunk: dict[str, Tensor] = published(name, state).features.state_dict()
    return trunk
