"""The table of all trained networks: how good each is, and whether its maps are compared."""

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors.numpy import load_file

from faithcam.core.identity import Identity
from faithcam.models import registry
from faithcam.models.performance import evaluate
from faithcam.models.predictions import read
from faithcam.models.tables import MODELS
from faithcam.results import files
from faithcam.results import io as tables

OUTPUTS = ("weights.safetensors", "history.parquet", "predictions.parquet")
UNFINISHED: dict[str, Any] = {
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
        outputs = Path(folder) / dataset / name / f"seed{training_seed}"
        missing = [file for file in OUTPUTS if not (outputs / file).is_file()]
        if manifest is None:
            row |= UNFINISHED | {"reason": "the data set has not been prepared"}
        elif missing:
            row |= UNFINISHED | {"reason": f"the training has not ended: no {', '.join(missing)}"}
        else:
            row |= _results(outputs, manifest, (seed, dataset, name, training_seed))
            row["spatial_share"] = _spatial_share(
                files.verified(outputs / OUTPUTS[0]), architecture
            )
            if row["exempt"]:
                row |= {"included": True, "reason": ""}
            if present is not None and model not in present:
                row |= {"included": False, "reason": "maps or scores are missing"}
        rows.append(row)
    table = pa.Table.from_pylist(rows, schema=MODELS)
    order = ("dataset", "architecture", "head", "seed")
    return tables.concatenate([table], MODELS, order)


def _spatial_share(file: Path, architecture: str) -> float:
    """Return it of the weights in a file; NaN of a network of the user's own: its layers differ."""
    if architecture not in registry.ARCHITECTURES:
        return math.nan
    weight = load_file(file)["classifier.weight"]
    return spatial_share(weight, registry.find(architecture).channels)


def _results(
    folder: Path, manifest: Mapping[str, Any], key: tuple[int | str, ...]
) -> dict[str, Any]:
    _, dataset, name, training_seed = key
    architecture, head = str(name).rsplit("-", 1)
    identity = Identity(str(dataset), architecture, head, int(training_seed))
    table = read(folder / "predictions.parquet", folder / OUTPUTS[0], identity)
    predictions = table.to_pydict()
    test = np.array(predictions["split"]) == "test"
    history = tables.read(folder / "history.parquet").to_pydict()
    best = [e for e, kept in zip(history["epoch"], history["best"], strict=True) if kept]
    splits = manifest["splits"]
    return {
        "train_images": splits["train"]["images"] if best else 0,
        "val_images": splits["val"]["images"] if best else 0,
        "test_images": int(test.sum()),
        "best_epoch": best[0] if best else -1,
        "weights_sha256": predictions["weights_sha256"][0],
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
    answers = predictions["labels" if column == "label" else column]
    return np.array([[c in row for c in range(classes)] for row in answers], dtype=np.int64)
