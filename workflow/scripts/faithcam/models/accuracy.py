"""Balanced accuracy: which epoch is kept, and how good a network is."""

import math
from typing import Any

import numpy as np
from sklearn import metrics


def balanced_accuracy(labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> float:
    """Return the mean recall of the classes that have images.

    Of several labels per image: the mean over labels of (sensitivity + specificity) / 2, without
    those that all images or none have, of which only one of both is known; NaN if none is left.

    Args:
        labels: (n,), or (n, C) in {0, 1}.
        predicted: likewise.
    """
    if labels.ndim == 1:
        recall = metrics.recall_score(labels, predicted, labels=np.unique(labels), average="macro")
        return float(recall)
    pairs = both_answers(labels, predicted)
    return float(np.mean([balanced_accuracy(*pair) for pair in pairs])) if pairs else math.nan


def both_answers(
    labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]
) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Return what is true and what is predicted of each label that some images have, not all."""
    pairs = zip(labels.T, predicted.T, strict=True)
    return [pair for pair in pairs if len(np.unique(pair[0])) == 2]
