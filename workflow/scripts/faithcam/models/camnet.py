"""The networks under study: convolutions, Flatten or global average pooling, one linear layer.

The split into ``features | head`` replaces hooks: the target tensor A is what the features return,
and nothing after it works in place.
"""

from collections.abc import Sequence
from typing import Literal, Self

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError

Head = Literal["flatten", "gap"]


class CamNet(nn.Module):
    """A CNN whose logits are linear in its last activations A, without softmax.

    ``flatten``: y_c = <W_c, A> + b_c with one weight per channel and cell.
    ``gap``: y_c = sum_k w_ck mean_ij(A_k) + b_c.

    Args:
        features: images (N, C, H, W) -> A (N, K, h, w), the input of Flatten or GAP.
        classifier: the only linear layer, K h w (flatten) or K (gap) inputs, one output per class.
        head: ``flatten`` or ``gap``.

    Raises:
        FaithcamError: if the head is unknown or the classifier is no ``nn.Linear``.
    """

    def __init__(self, features: nn.Module, classifier: nn.Linear, head: Head) -> None:
        super().__init__()
        if head not in ("flatten", "gap"):
            raise FaithcamError(f"head: {head!r} is unknown; choose flatten or gap")
        if not isinstance(classifier, nn.Linear):
            raise FaithcamError(
                f"classifier: {type(classifier).__name__} found, expected one nn.Linear: the maps' "
                "closed form needs logits that are linear in the activations"
            )
        self.features = features
        self.classifier = classifier
        self.head = head

    def activations(self, images: Tensor) -> Tensor:
        """Return the target tensor A: (N, K, h, w)."""
        activations: Tensor = self.features(images)
        return activations

    def logits(self, activations: Tensor) -> Tensor:
        """Return the logits (N, C) of activations (N, K, h, w), which stay as they are.

        Raises:
            FaithcamError: if the classifier does not fit the activations.
        """
        self._check(activations.shape)
        pooled = activations.flatten(1) if self.head == "flatten" else activations.mean((2, 3))
        logits: Tensor = self.classifier(pooled)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, C) of images (N, C, H, W)."""
        return self.logits(self.activations(images))

    def cell_weights(self, shape: Sequence[int]) -> Tensor:
        """Return dy_c/dA, which is the same for every image.

        Args:
            shape: of the activations, (N, K, h, w) or (K, h, w).

        Returns:
            (C, K, h, w): the reshaped weights (flatten), or w_ck / (h w) in every cell (gap).

        Raises:
            FaithcamError: if the classifier does not fit the shape.
        """
        self._check(shape)
        channels, height, width = shape[-3:]
        weight = self.classifier.weight
        if self.head == "flatten":
            return weight.reshape(-1, channels, height, width)
        return (weight / (height * width))[:, :, None, None].expand(-1, -1, height, width)

    def with_classifier(self, classifier: nn.Linear) -> "CamNet":
        """Return a network of the same features, which they share, and another linear layer."""
        return type(self)(self.features, classifier, self.head)

    def channels_last(self) -> Self:
        """Lay the convolutions' weights out as CPUs and GPUs are fastest with; return the model."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def _check(self, shape: Sequence[int]) -> None:
        channels, height, width = shape[-3:]
        expected = channels * height * width if self.head == "flatten" else channels
        if self.classifier.in_features != expected:
            raise FaithcamError(
                f"head {self.head}: the classifier has {self.classifier.in_features} inputs, but "
                f"activations of {channels} channels x {height} x {width} cells need {expected}; "
                "give images of the size the network was built for, or rebuild the network"
            )
