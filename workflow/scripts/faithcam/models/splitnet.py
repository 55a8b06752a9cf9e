"""A network in two parts whatever its head is: images -> activations A -> outputs."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from faithcam.models.camnet import CamNet


class SplitNet(nn.Module):
    """A network whose outputs need not be linear in its last activations.

    Args:
        features: images (N, C, H, W) -> A (N, K, h, w), of volumes with one axis more.
        tail: A -> outputs, without changing A.
        layer: name of what returns A, for messages.
    """

    head = "other"

    def __init__(self, features: nn.Module, tail: nn.Module, layer: str = "") -> None:
        super().__init__()
        self.features = features
        self.tail = tail
        self.layer = layer

    def activations(self, images: Tensor) -> Tensor:
        """Return the target tensor A: (N, K, h, w)."""
        activations: Tensor = self.features(images)
        return activations

    def logits(self, activations: Tensor) -> Tensor:
        """Return the outputs of A, which stays as it is: logits (N, C) of a classifier."""
        outputs: Tensor = self.tail(activations.clone())  # layers may work in place
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs of images."""
        return self.logits(self.activations(images))

    def with_tail(self, *layers: nn.Module) -> Self:
        """Return a network of the same features, whose outputs go through further layers."""
        return type(self)(self.features, nn.Sequential(self.tail, *layers), self.layer).eval()


class HookedNet(SplitNet):
    """The same, cut by hooks: whether the parts are the network is asked for all images."""

    @property
    def whole(self) -> nn.Module:
        """The network that was cut."""
        network: nn.Module = self.tail.get_submodule("network")
        return network


class Sides(nn.Module):
    """One logit y of two classes as two: -y speaks for class 0, y for class 1, times a number."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self._scale = scale

    def forward(self, outputs: Tensor) -> Tensor:
        """Return (N, 2) of (N, 1), or (N, 2, H, W) of (N, 1, H, W)."""
        return torch.cat([-outputs, outputs], 1) * self._scale


def two_sided(network: CamNet | SplitNet, scale: float = 1.0) -> CamNet | SplitNet:
    """Return a network of one logit y as one of two, -y and y, in closed form where it has one.

    Args:
        network: of one logit.
        scale: of both: the softmax of -y / 2 and y / 2 is the sigmoid of y.
    """
    if isinstance(network, SplitNet):
        return network.with_tail(Sides(scale))
    one = network.classifier
    both = nn.Linear(one.in_features, 2, one.bias is not None, one.weight.device, one.weight.dtype)
    with torch.no_grad():
        both.weight.copy_(torch.cat([-one.weight, one.weight]) * scale)
        if one.bias is not None:
            both.bias.copy_(torch.cat([-one.bias, one.bias]) * scale)
    return network.with_classifier(both).eval()
