"""Networks that cannot be traced, cut behind one of their modules by hooks.

The outputs of given activations are those of the whole network, whose module is made to return
these: right, but no cheaper than a whole pass.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.models.layouts import SPATIAL


class _ReachedError(Exception):
    """The activations are there: nothing behind them needs to run."""

    def __init__(self, activations: Tensor) -> None:
        super().__init__()
        self.activations = activations


class _Front(nn.Module):
    """Images -> what a module returns."""

    def __init__(self, network: nn.Module, layer: str) -> None:
        super().__init__()
        self.network, self._layer = network, layer

    def forward(self, images: Tensor) -> Tensor:
        """Return the module's output."""

        def stop(module: nn.Module, args: Any, output: Tensor) -> None:
            raise _ReachedError(output)

        handle = self.network.get_submodule(self._layer).register_forward_hook(stop)
        try:
            self.network(images)
        except _ReachedError as reached:
            return reached.activations
        finally:
            handle.remove()
        raise FaithcamError(f"layer: {self._layer} is not called for these images, expected a call")


class _Back(nn.Module):
    """What a module returns -> the network's outputs."""

    def __init__(self, network: nn.Module, layer: str, image: Tensor) -> None:
        super().__init__()
        self.network, self._layer = network, layer
        self._shape = image.shape[1:]

    def forward(self, activations: Tensor) -> Tensor:
        """Return the outputs."""
        module = self.network.get_submodule(self._layer)
        handle = module.register_forward_hook(lambda *_: activations)
        try:
            outputs: Tensor = self.network(activations.new_zeros(len(activations), *self._shape))
        finally:
            handle.remove()
        return outputs


def last_layer(network: nn.Module, image: Tensor) -> str:
    """Return the last layer for images, before the last one with weights, that returns a grid.

    Args:
        network: in eval mode.
        image: (1, C, H, W), or with one axis more.

    Raises:
        FaithcamError: if there is none.
    """
    returned: list[tuple[str, bool]] = []
    weighted, handles = [0], []

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            space = isinstance(output, Tensor) and output.ndim in (4, 5)
            space = space and isinstance(module, SPATIAL)  # elsewhere axes may be others
            returned.append((name, space and output.shape[2:].numel() > 1))

        return hook

    def starts(module: nn.Module, args: Any) -> None:
        weighted[0] = len(returned)

    for name, module in network.named_modules():
        if name:
            handles.append(module.register_forward_hook(note(name)))
        if any(True for _ in module.parameters(recurse=False)):
            handles.append(module.register_forward_pre_hook(starts))
    try:
        network(image)
    finally:
        for handle in handles:
            handle.remove()
    there = [name for name, has_space in returned[: weighted[0]] if has_space]
    if not there:
        raise FaithcamError(
            "network: no module found that returns activations (N, K, h, w) before the last one "
            "with weights; name a layer"
        )
    return there[-1]


def halves(network: nn.Module, layer: str, image: Tensor) -> tuple[nn.Module, nn.Module]:
    """Return images -> A and A -> outputs of a network cut behind a module.

    Raises:
        FaithcamError: if there is no such module, or it returns no activations.
    """
    names = {name for name, _ in network.named_modules()} - {""}
    if layer not in names:
        raise FaithcamError(f"layer: {layer} found, expected one of {', '.join(sorted(names))}")
    front = _Front(network, layer)
    activations = front(image)
    if not isinstance(activations, Tensor) or activations.ndim not in (4, 5):
        found = tuple(activations.shape) if isinstance(activations, Tensor) else type(activations)
        raise FaithcamError(f"layer: {layer} returns {found}, expected activations (N, K, h, w)")
    return front, _Back(network, layer, image)
