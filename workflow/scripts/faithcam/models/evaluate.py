"""How good a trained network is, and whether its maps are worth comparing."""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors.numpy import load_file
from sklearn import metrics
from sklearn.calibration import calibration_curve

from faithcam.core import seeding
from faithcam.models import registry
from faithcam.models.accuracy import balanced_accuracy, both_answers
from faithcam.models.tables import MODELS
from faithcam.results import io as tables

BINS = 15
DRAWS = 100_000
OUTPUTS = ("weights.safetensors", "history.parquet", "predictions.parquet")
_NOTHING: dict[str, Any] = {
    "train_images": 0,
    "val_images": 0,
    "test_images": 0,
    "accuracy": math.nan,
    "balanced_accuracy": math.nan,
    "balanced_accuracy_low": math.nan,
    "balanced_accuracy_high": math.nan,
    "auc": math.nan,
    "class_auc": [],
    "calibration_error": math.nan,
    "recall": [],
    "best_epoch": -1,
    "included": False,
    "spatial_share": math.nan,
    "weights_sha256": "",
}


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
    if labels.ndim == 2:
        return _evaluate_labels(labels, predicted, probabilities, key)
    classes = probabilities.shape[1]
    recall = metrics.recall_score(
        labels, predicted, labels=range(classes), average=None, zero_division=np.nan
    )
    low, high = balanced_accuracy_interval(labels, predicted, key)
    balanced = balanced_accuracy(labels, predicted)
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": balanced,
        "balanced_accuracy_low": low,
        "balanced_accuracy_high": high,
        "auc": _auc(labels, probabilities),
        "class_auc": [_class_auc(labels == c, probabilities[:, c]) for c in range(classes)],
        "calibration_error": calibration_error(predicted == labels, probabilities.max(axis=1)),
        "recall": recall.tolist(),
        **_verdict(balanced, low, classes),
    }


def _verdict(balanced: float, low: float, classes: int) -> dict[str, Any]:
    included = low > 1 / classes
    if math.isnan(balanced):
        return {"included": False, "reason": "all test images have the same labels"}
    reason = (
        f"balanced accuracy {balanced:.3f} (95 % interval from {low:.3f}) is not surely above "
        f"chance, 1/{classes}"
    )
    return {"included": included, "reason": "" if included else reason}


def _evaluate_labels(
    labels: np.ndarray[Any, Any],
    predicted: np.ndarray[Any, Any],
    probabilities: np.ndarray[Any, Any],
    key: Iterable[str | int],
) -> dict[str, Any]:
    """Return the same for several labels per image: means over labels of yes-or-no questions.

    Args:
        labels: (n, C) in {0, 1}.
        predicted: (n, C) in {0, 1}.
        probabilities: (n, C).
        key: see :func:`evaluate`.
    """
    right = labels == predicted
    balanced = balanced_accuracy(labels, predicted)
    low, high = label_accuracy_interval(labels, predicted, key)
    aucs = [_class_auc(y, p) for y, p in zip(labels.T == 1, probabilities.T, strict=True)]
    recall = metrics.recall_score(labels, predicted, average=None, zero_division=np.nan)
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": balanced,
        "balanced_accuracy_low": low,
        "balanced_accuracy_high": high,
        "auc": math.nan if np.isnan(aucs).all() else float(np.nanmean(aucs)),
        "class_auc": aucs,
        "calibration_error": calibration_error(
            right.ravel(), np.maximum(probabilities, 1 - probabilities).ravel()
        ),
        "recall": recall.tolist(),
        **_verdict(balanced, low, 2),
    }


def label_accuracy_interval(
    labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], key: Iterable[str | int]
) -> tuple[float, float]:
    """Return the 95 % posterior interval of the balanced accuracy's mean over labels.

    As :func:`balanced_accuracy_interval` for each label, as if labels were independent: an image's
    labels often are not, which makes the interval somewhat too narrow or too wide. NaN where
    :func:`balanced_accuracy` is.
    """
    random = seeding.generator("balanced accuracy", *key)
    pairs = both_answers(labels, predicted)
    if not pairs:
        return math.nan, math.nan
    draws = np.mean([_accuracy_draws(*pair, random) for pair in pairs], axis=0)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def balanced_accuracy_interval(
    labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], key: Iterable[str | int]
) -> tuple[float, float]:
    """Return the 95 % posterior interval of the balanced accuracy.

    The recall of a class with h hits and m misses is Beta(1 + h, 1 + m) distributed; the balanced
    accuracy is the mean over the classes that have images.

    Source: Brodersen et al. 2010, doi 10.1109/ICPR.2010.764.
    """
    random = seeding.generator("balanced accuracy", *key)
    low, high = np.quantile(_accuracy_draws(labels, predicted, random), (0.025, 0.975))
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


def spatial_share(weight: np.ndarray[Any, Any], channels: int) -> float:
    """Return the share of a linear layer's energy that is lost when it is averaged over the cells.

    1 - sum_ck Z mean_ij(V_ck)^2 / sum_ckij V_ckij^2 of the centred weights V_c = W_c - mean_j W_j,
    Z cells: 0 where no weight varies over space, 1 where all averages are zero.

    Args:
        weight: (C, K h w), or (C, K) of a GAP head.
        channels: K.

    Returns:
        NaN if all classes have the same weights.
    """
    cells = weight.astype(np.float64).reshape(len(weight), channels, -1)
    centred = cells - cells.mean(axis=0)
    energy = float((centred**2).sum())
    varying = centred - centred.mean(axis=2, keepdims=True)
    return float((varying**2).sum()) / energy if energy else math.nan


def models_table(
    folder: Path,
    planned: Iterable[tuple[str, str, int]],
    manifests: Mapping[str, Mapping[str, Any]],
    seed: int,
    present: Collection[tuple[str, str, int]] | None = None,
    exempt: Collection[str] = (),
) -> pa.Table:
    """Return one row per planned model; one without results is not included, with the reason.

    Args:
        folder: of all models, ``results/models``.
        planned: (dataset, architecture-head, training seed) of every model of the experiment.
        manifests: data set, or data set/seedN -> its manifest.json, as far as there is one.
        seed: the experiment's seed.
        present: the planned models whose maps and scores are there; None means all.
        exempt: data sets whose models are included whatever their accuracy.

    Returns:
        ``MODELS``, sorted. Image counts are 0 for training and validation where the weights
        came from elsewhere.

    Raises:
        FaithcamError: if a table cannot be read.
    """
    rows = []
    for model in planned:
        dataset, name, training_seed = model
        architecture, head = name.rsplit("-", 1)
        row: dict[str, Any] = {
            "dataset": dataset,
            "architecture": architecture,
            "head": head,
            "seed": training_seed,
            "exempt": dataset in exempt,
        }
        manifest = manifests.get(f"{dataset}/seed{training_seed}", manifests.get(dataset))
        own = Path(folder) / dataset / name / f"seed{training_seed}"
        missing = [file for file in OUTPUTS if not (own / file).is_file()]
        if manifest is None:
            row |= _NOTHING | {"reason": "the data set has not been prepared"}
        elif missing:
            row |= _NOTHING | {"reason": f"the training has not ended: no {', '.join(missing)}"}
        else:
            row |= _results(own, manifest, (seed, dataset, name, training_seed))
            weight = load_file(own / OUTPUTS[0])["classifier.weight"]
            row["spatial_share"] = spatial_share(weight, registry.find(architecture).channels)
            if row["exempt"]:
                row |= {"included": True, "reason": ""}
            if present is not None and model not in present:
                row |= {"included": False, "reason": "maps or scores are missing"}
        rows.append(row)
    table = pa.Table.from_pylist(rows, schema=MODELS)
    order = ("dataset", "architecture", "head", "seed")
    return tables.concatenate([table], MODELS, order)


def _results(
    folder: Path, manifest: Mapping[str, Any], key: tuple[int | str, ...]
) -> dict[str, Any]:
    predictions = tables.read(folder / "predictions.parquet").to_pydict()
    test = np.array(predictions["split"]) == "test"
    history = tables.read(folder / "history.parquet").to_pydict()
    best = [e for e, kept in zip(history["epoch"], history["best"], strict=True) if kept]
    splits = manifest["splits"]
    return {
        "train_images": splits["train"]["images"] if best else 0,
        "val_images": splits["val"]["images"] if best else 0,
        "test_images": int(test.sum()),
        "best_epoch": best[0] if best else -1,
        "weights_sha256": hashlib.sha256((folder / OUTPUTS[0]).read_bytes()).hexdigest(),
        **evaluate(
            _answers(predictions, "label", len(manifest.get("classes", ())))[test],
            _answers(predictions, "predicted", len(manifest.get("classes", ())))[test],
            np.array(predictions["probabilities"], dtype=np.float32)[test],
            key,
        ),
    }


def _answers(predictions: Mapping[str, Any], column: str, classes: int) -> np.ndarray[Any, Any]:
    """Return a column's classes (n,), or with several labels per image (n, classes) in {0, 1}."""
    if "labels" not in predictions:
        return np.array(predictions[column])
    several = predictions["labels" if column == "label" else column]
    return np.array([[c in row for c in range(classes)] for row in several], dtype=np.int64)
