"""AxialNet: a network for volumes that reads slice by slice and averages the slices' scores.

y_c = 1/S sum_s <W_c, A_s> + b_c with the same features and the same linear layer for every slice.
The logits are linear in A again, so dy_c/dA = W_c / S in closed form: HiResCAM's volume adds up to
y_c - b_c, and Grad-CAM's averages run over all slices and places.

Source: arXiv 2111.12215 (AxialNet), 2011.08891 (its explanation by HiResCAM).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.models.camnet import CamNet


class AxialNet(CamNet):
    """A ``CamNet`` of each slice, and the mean of its logits over the slices.

    ``flatten``: y_c = 1/S sum_s <W_c, A_s> + b_c. ``gap``: y_c = sum_k w_ck mean_sij(A_k) + b_c.
    Any number of slices fits the same weights.

    Args:
        features: slices (M, C, H, W) -> (M, K, h, w), the input of Flatten or GAP.
        classifier: the only linear layer, as of one slice.
        head: ``flatten`` or ``gap``.

    Raises:
        FaithcamError: if the head is unknown or the classifier is no ``nn.Linear``.
    """

    def activations(self, images: Tensor) -> Tensor:
        """Return the target tensor A of volumes (N, S, C, H, W): (N, K, S, h, w).

        Raises:
            FaithcamError: if the images are no volumes.
        """
        if images.ndim != 5:
            raise FaithcamError(
                f"volumes (N, S, C, H, W) expected, {tuple(images.shape)} found; give images to a "
                "network for images"
            )
        slices = images.flatten(0, 1).to(memory_format=torch.channels_last)
        activations = super().activations(slices)
        return activations.reshape(*images.shape[:2], *activations.shape[1:]).transpose(1, 2)

    def logits(self, activations: Tensor) -> Tensor:
        """Return the logits (N, classes) of activations (N, K, S, h, w), which stay as they are.

        Raises:
            FaithcamError: if the classifier does not fit the activations.
        """
        slices = activations.transpose(1, 2)
        logits = super().logits(slices.flatten(0, 1))
        return logits.reshape(*slices.shape[:2], -1).mean(1)

    def cell_weights(self, shape: Sequence[int]) -> Tensor:
        """Return dy_c/dA, which is the same for every volume and in every slice.

        Args:
            shape: of the activations, (N, K, S, h, w) or (K, S, h, w).

        Returns:
            (C, K, S, h, w): the reshaped weights over S (flatten), or w_ck / (S h w) (gap).

        Raises:
            FaithcamError: if the classifier does not fit the shape.
        """
        channels, slices, height, width = shape[-4:]
        one = super().cell_weights((channels, height, width)) / slices
        return one[:, :, None].expand(-1, -1, slices, -1, -1)

    def of_slice(self) -> CamNet:
        """Return the network of a single slice (N, C, H, W), with the same layers."""
        return CamNet(self.features, self.classifier, self.head)
