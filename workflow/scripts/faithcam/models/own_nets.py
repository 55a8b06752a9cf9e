"""Networks of the user's own: built by the user's function, filled, and split in two parts.

What is stored of one is its own state dict, with its own names. The two parts are made anew of it
wherever they are needed, by :func:`faithcam.models.splitting.split` on images of the data set's
size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.models import own, weights
from faithcam.models.architecture import path_name
from faithcam.models.camnet import CamNet
from faithcam.models.graphs import Whole
from faithcam.models.inference import for_inference, random_images
from faithcam.models.split_inference import split_for_inference
from faithcam.models.splitnet import HookedNet, SplitNet
from faithcam.models.splitting import split

CHANNELS = 3  # of all images: grey is repeated


@dataclass(frozen=True)
class OwnNetwork:
    """A network as the user's function builds it, for images of one size.

    Args:
        name: MODULE:FUNCTION.
        classes: number of classes.
        size: rows = columns of the images in pixels.
    """

    name: str
    classes: int
    size: int

    @property
    def about(self) -> str:
        """What errors call it."""
        return f"{self.name} for {self.classes} classes and {self.size} px"

    def build(self) -> nn.Module:
        """Return the network, freshly initialised.

        Raises:
            FaithcamError: if the function is not there, fails, or returns something else.
        """
        module, _, name = self.name.partition(":")
        file = own.files(self.name)[-1]
        try:
            function: Callable[..., Any] | None = getattr(import_module(module), name, None)
        except Exception as error:  # whatever the user's code does
            raise FaithcamError(
                f"{file}: cannot be imported ({type(error).__name__}: {error}); mend it"
            ) from error
        if not callable(function):
            raise FaithcamError(
                f"{file}: no function {name} found, expected def {name}(classes, size): a network"
            )
        try:
            with seeding.torch_seed("a network of the user's own"):
                network = function(classes=self.classes, size=self.size)
        except Exception as error:
            raise FaithcamError(
                f"{file}: {name}(classes={self.classes}, size={self.size}) fails "
                f"({type(error).__name__}: {error}); it must take both arguments and return a "
                "torch.nn.Module"
            ) from error
        if not isinstance(network, nn.Module):
            raise FaithcamError(
                f"{file}: {name} returned {type(network).__name__}, expected a torch.nn.Module"
            )
        return network.cpu().eval()

    def images(self) -> Tensor:
        """Return two random images as networks take them, always the same."""
        return random_images((self.size, self.size), CHANNELS)

    def parts(self, network: nn.Module) -> CamNet | SplitNet:
        """Return the network as features and head.

        Raises:
            FaithcamError: if it cannot be split, does not take (N, 3, H, W) or returns no logits
                (N, classes).
        """
        images = self.images()
        logits = self._logits(network, images)
        expected = (len(images), self.classes)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise FaithcamError(
                f"{self.about}: {found} returned for {len(images)} images, expected logits "
                f"{expected}, one per class, without softmax"
            )
        try:
            parts = split(network, images)
        except FaithcamError as error:
            raise FaithcamError(f"{self.about}: {error}") from error
        if isinstance(parts, CamNet) and parts.classifier.bias is None:
            parts.classifier.bias = nn.Parameter(torch.zeros(self.classes), requires_grad=False)
        if (shape := parts.activations(images).shape[1:]) and len(shape) != 3:
            raise FaithcamError(
                f"{self.about}: activations {tuple(shape)} found, expected channels, rows and "
                "columns: volumes are not supported here"
            )
        return parts

    @torch.no_grad()
    def _logits(self, network: nn.Module, images: Tensor) -> Any:
        try:
            return Whole(network)(images)
        except FaithcamError:
            raise
        except Exception as error:  # whatever a network's own code does not bear
            raise FaithcamError(
                f"{self.about}: does not take images {tuple(images.shape)} ({error}); expected a "
                f"network for (N, {CHANNELS}, {self.size}, {self.size}) in [-1, 1], grey repeated "
                "three times: adapt them in its forward"
            ) from error


def load(path: Path, name: str, head: str, classes: int, size: int) -> tuple[nn.Module, Any]:
    """Return a network filled with weights, and its parts, on the CPU in evaluation mode.

    Args:
        path: see :func:`faithcam.models.weights.fill`.
        name: MODULE:FUNCTION.
        head: that was measured.
        classes: number of classes.
        size: rows = columns of the images in pixels.

    Returns:
        The network, and a ``CamNet`` or ``SplitNet``.

    Raises:
        FaithcamError: if the weights do not fit, or the network is not what was measured.
    """
    weights.check(path, path_name(name), head, classes, size)
    own_network = OwnNetwork(name, classes, size)
    network = own_network.build()
    weights.fill(network, path, own_network.about, "Name other weights, or mend the function")
    parts = own_network.parts(network)
    if parts.head != head:
        raise FaithcamError(
            f"{own_network.about}: a network with head {parts.head} found, but {head} was "
            f"measured; run `make measure NAME={name} CONFIG=...` again"
        )
    return network, parts.eval()


def prepared(parts: CamNet | SplitNet, size: int, dtype: torch.dtype) -> CamNet | SplitNet:
    """Return the parts ready for many passes.

    Args:
        parts: of a network, on the CPU.
        size: rows = columns of the images in pixels.
        dtype: of the features' arithmetic.

    Raises:
        FaithcamError: if the network cannot compute in this dtype.
    """
    if isinstance(parts, CamNet):
        return for_inference(parts, (size, size), dtype, CHANNELS)
    if dtype != torch.float32:
        raise FaithcamError(
            f"precision: {str(dtype).removeprefix('torch.')} found, but a network with head other "
            "computes in float32; use precision: float32"
        )
    if isinstance(parts, HookedNet):
        return parts
    return split_for_inference(parts, (size, size), CHANNELS)
