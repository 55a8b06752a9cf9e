"""Accuracy, AUC and calibration of a network's predictions, and what speaks against its maps."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.calibration import calibration_curve

from faithcam.core import seeding
from faithcam.models.accuracy import balanced_accuracy, both_answers

BINS = 15
DRAWS = 100_000


def evaluate(
    labels: np.ndarray[Any, Any],
    predicted: np.ndarray[Any, Any],
    probabilities: np.ndarray[Any, Any],
    key: Iterable[str | int],
) -> dict[str, Any]:
    """Return the columns of ``MODELS`` that predictions alone decide.

    Args:
        labels: true classes (n,); with several per image (n, C) in {0, 1}.
        predicted: predicted classes, like the labels.
        probabilities: one per class (n, C).
        key: names the stream of the interval's draws.

    Returns:
        accuracy, balanced_accuracy with its 95 % interval, auc (NaN if a class has no image),
        class_auc, calibration_error, recall of each class (NaN if it has no image), included and
        reason. With several labels per image each label is a yes-or-no question: accuracy is the
        share of right answers, balanced_accuracy the mean over labels of (sensitivity +
        specificity) / 2, whose chance is 1/2, auc the mean over labels that have one.
    """
    classes = probabilities.shape[1]
    balanced = balanced_accuracy(labels, predicted)
    low, high = balanced_accuracy_interval(labels, predicted, key)
    recall = metrics.recall_score(
        labels, predicted, labels=range(classes), average=None, zero_division=np.nan
    )
    correct = labels == predicted
    if labels.ndim == 2:
        positive, outcomes = labels == 1, 2
        confidence = np.maximum(probabilities, 1 - probabilities)
    else:
        positive, outcomes = labels[:, None] == np.arange(classes), classes
        confidence = probabilities.max(axis=1)
    aucs = [_class_auc(y, p) for y, p in zip(positive.T, probabilities.T, strict=True)]
    if labels.ndim == 2:
        auc = math.nan if np.isnan(aucs).all() else float(np.nanmean(aucs))
    else:
        auc = _auc(labels, probabilities)
    return {
        "accuracy": float(correct.mean()),
        "balanced_accuracy": balanced,
        "balanced_accuracy_low": low,
        "balanced_accuracy_high": high,
        "auc": auc,
        "class_auc": aucs,
        "calibration_error": calibration_error(correct.ravel(), confidence.ravel()),
        "recall": recall.tolist(),
        **_verdict(balanced, low, outcomes),
    }


def _verdict(balanced: float, low: float, outcomes: int) -> dict[str, Any]:
    included = low > 1 / outcomes
    if math.isnan(balanced):
        return {"included": False, "reason": "all test images have the same labels"}
    reason = (
        f"balanced accuracy {balanced:.3f} (95 % interval from {low:.3f}) is not surely above "
        f"chance, 1/{outcomes}"
    )
    return {"included": included, "reason": "" if included else reason}


def balanced_accuracy_interval(
    labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], key: Iterable[str | int]
) -> tuple[float, float]:
    """Return the 95 % posterior interval of the balanced accuracy; NaN where that is NaN.

    The recall of a class with h hits and m misses is Beta(1 + h, 1 + m) distributed; the balanced
    accuracy is the mean over the classes that have images. With several labels per image it is the
    mean over labels, as if these were independent: an image's labels often are not, which makes the
    interval somewhat too narrow or too wide.

    Args:
        labels: (n,), or with several per image (n, C) in {0, 1}.
        predicted: like the labels.
        key: names the stream of the draws.

    Source: Brodersen et al. 2010, doi 10.1109/ICPR.2010.764.
    """
    random = seeding.generator("balanced accuracy", *key)
    pairs = both_answers(labels, predicted) if labels.ndim == 2 else [(labels, predicted)]
    if not pairs:
        return math.nan, math.nan
    draws = np.mean([_accuracy_draws(*pair, random) for pair in pairs], axis=0)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _accuracy_draws(
    labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], random: np.random.Generator
) -> np.ndarray[Any, Any]:
    draws = np.zeros(DRAWS)
    present = np.unique(labels)
    for label in present:
        hits = int(np.sum(predicted[labels == label] == label))
        misses = int(np.sum(labels == label)) - hits
        draws += random.beta(1 + hits, 1 + misses, DRAWS) / len(present)
    return draws


def calibration_error(correct: np.ndarray[Any, Any], confidence: np.ndarray[Any, Any]) -> float:
    """Return the expected calibration error: mean |accuracy - confidence| over 15 equal bins.

    Args:
        correct: whether the prediction is right (n,).
        confidence: top probability (n,).

    Source: arXiv 1706.04599, eq. 3.
    """
    accuracy, mean = calibration_curve(correct, confidence, n_bins=BINS, pos_label=True)
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=BINS)
    return float(np.average(np.abs(accuracy - mean), weights=counts[counts > 0]))


def _auc(labels: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any]) -> float:
    classes = probabilities.shape[1]
    if len(np.unique(labels)) < classes:
        return math.nan
    if classes == 2:
        return float(metrics.roc_auc_score(labels, probabilities[:, 1]))
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    return float(metrics.roc_auc_score(labels, exact, multi_class="ovr"))


def _class_auc(there: np.ndarray[Any, Any], probability: np.ndarray[Any, Any]) -> float:
    """Return the AUC of one yes-or-no question; NaN if all answers are the same."""
    if there.all() or not there.any():
        return math.nan
    return float(metrics.roc_auc_score(there, probability))
