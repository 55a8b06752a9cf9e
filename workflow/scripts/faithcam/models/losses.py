"""Losses of a training, weighted so that every class counts as much."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.data.dataset import Dataset


def class_weights(dataset: Dataset, image_ids: np.ndarray[Any, Any]) -> Tensor:
    """Return the weight of each class (C,); with several labels per image n without / n with.

    Raises:
        FaithcamError: if a class has no image, or a label no image with it or without it.
    """
    if dataset.multi_label:
        return _label_weights(dataset, image_ids)
    counts = np.bincount(dataset.labels[image_ids], minlength=len(dataset.classes))
    if not counts.all():
        empty = [name for name, n in zip(dataset.classes, counts, strict=True) if n == 0]
        raise FaithcamError(
            f"{dataset.name}: no training image of {', '.join(empty)}; add images or remove the "
            "class"
        )
    return torch.tensor(len(image_ids) / (len(counts) * counts), dtype=torch.float32)


def _label_weights(dataset: Dataset, image_ids: np.ndarray[Any, Any]) -> Tensor:
    """Return how many images lack each label for every one that has it."""
    there = dataset.labels[image_ids].sum(0, dtype=np.int64)
    wanting = [n for n, c in zip(dataset.classes, there, strict=True) if not 0 < c < len(image_ids)]
    if wanting:
        raise FaithcamError(
            f"{dataset.name}: all training images or none have {', '.join(wanting)}; a label needs "
            "images with and without it: add images or remove the label"
        )
    return torch.tensor((len(image_ids) - there) / there, dtype=torch.float32)


def loss(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean loss, and what its mean is over.

    Cross-entropy, weighted by class; with several labels per image (N, C) the binary cross-entropy
    of each, in which an image with the label counts as much as those without it do together.
    """
    if labels.ndim == 2:
        mean = F.binary_cross_entropy_with_logits(logits, labels.to(logits), pos_weight=weights)
        return mean, weights.new_tensor(len(labels))
    return F.cross_entropy(logits, labels, weight=weights), weights[labels].sum()
