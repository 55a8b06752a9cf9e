"""References made of a data set's training images: what removed pixels show instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from faithcam.data.dataset import to_tensor

if TYPE_CHECKING:
    from faithcam.running.shard import Shard

AT_ONCE = 1000  # images that are read together


def backgrounds(shard: Shard, image_ids: Sequence[int], purpose: str) -> Callable[[int], Tensor]:
    """Return what gives the training images of a draw: another one for every image and draw.

    Every image has its own keyed order of the training images.

    Args:
        shard: of the images.
        image_ids: of the images, (N,).
        purpose: names the keyed order.
    """
    training = shard.dataset.split("train")
    places = shard.streams.places(image_ids, purpose, len(training))
    return lambda draw: shard.tensor(shard.dataset.images[training[places(draw)]])


def train_mean(shard: Shard) -> Tensor:
    """Return the mean of all training images as networks take them, the shape of one image."""
    training, images = shard.dataset.split("train"), shard.dataset.images
    total = np.zeros(images.shape[1:], np.int64)
    for start in range(0, len(training), AT_ONCE):
        total += images[training[start : start + AT_ONCE]].sum(0, dtype=np.int64)
    levels = (total / len(training)).astype(np.float32)
    mean: Tensor = to_tensor(levels[None])[0]
    return mean.to(shard.device)
