"""A network's three files: weights.safetensors, history.parquet and predictions.parquet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.data.dataset import Dataset, channels_last, to_tensor
from faithcam.models import weights
from faithcam.models.camnet import CamNet
from faithcam.models.tables import HISTORY, MULTI_LABEL_PREDICTIONS, PREDICTIONS
from faithcam.results import files
from faithcam.results import io as tables

PREDICTION_BATCH = 64


def predict(
    model: CamNet, dataset: Dataset, image_ids: np.ndarray[Any, Any], device: torch.device
) -> Tensor:
    """Return the logits (n, C) of images, float32 on the CPU, in batches of fixed size."""
    model.eval()
    batches = []
    size = max(1, PREDICTION_BATCH // max(1, dataset.slices))
    with torch.no_grad():
        for start in range(0, len(image_ids), size):
            batch = image_ids[start : start + size]
            batches.append(model(images_of(dataset, batch, device)).cpu())
    return torch.cat(batches)


def images_of(dataset: Dataset, image_ids: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """Return the images that networks take, float32 (n, 3, H, W) or (n, S, 3, H, W)."""
    return channels_last(to_tensor(dataset.images[image_ids]).to(device))


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Return the epoch whose validation loss is smallest."""
    return int(np.argmin([row["val_loss"] for row in history]))


def write(
    model: CamNet,
    dataset: Dataset,
    architecture: str,
    seed: int,
    history: Sequence[Mapping[str, Any]],
    device: torch.device,
    folder: Path,
    whole: tuple[str, nn.Module] | None = None,
) -> None:
    """Write a network's three files: weights, history and its predictions of val and test images.

    Args:
        model: on the device.
        dataset: of the images.
        architecture: its name in paths.
        seed: of its training.
        history: of its training, a row per epoch.
        device: where to predict.
        folder: gets the files.
        whole: of a network of the user's own, MODULE:FUNCTION and the network that ``model`` was
            made of, whose weights are kept.

    Raises:
        FaithcamError: if its logits are not finite.
    """
    ids = np.concatenate([dataset.split("val"), dataset.split("test")])
    logits = predict(model, dataset, ids, device)
    if not torch.isfinite(logits).all():
        raise FaithcamError(
            f"{folder}: the network's logits on {dataset.name} are not finite; train it again with "
            "a lower training.learning_rate, or give other weights"
        )
    metadata: dict[str, str | int] = {
        "dataset": dataset.name,
        "architecture": architecture,
        "head": model.head,
        "classes": len(dataset.classes),
        "size": dataset.size,
        "seed": seed,
    }
    file = folder / "weights.safetensors"
    if whole is not None:
        metadata["network"] = whole[0]
    weights.save(model if whole is None else whole[1], file, metadata)
    columns: dict[str, Any] = {
        name: [row[name] for row in history] for name in HISTORY.names if name != "best"
    }
    columns["best"] = [row["epoch"] == best_epoch(history) for row in history]
    tables.write(folder / "history.parquet", columns, HISTORY)
    predictions = {"image_id": ids, "split": dataset.splits[ids]}
    predictions["weights_sha256"] = [files.digest(file)] * len(ids)
    predictions["manifest_sha256"] = [dataset.manifest_sha256] * len(ids)
    if dataset.multi_label:
        predictions |= {
            "labels": _positive(dataset.labels[ids]),
            "predicted": _positive(logits.numpy() > 0),
            "probabilities": logits.sigmoid().tolist(),
        }
        tables.write(folder / "predictions.parquet", predictions, MULTI_LABEL_PREDICTIONS)
        return
    predictions |= {
        "label": dataset.labels[ids],
        "predicted": logits.argmax(1).numpy(),
        "probabilities": logits.softmax(1).tolist(),
    }
    tables.write(folder / "predictions.parquet", predictions, PREDICTIONS)


def _positive(labels: np.ndarray[Any, Any]) -> list[list[int]]:
    """Return the indices of each row that are not zero."""
    return [np.flatnonzero(row).tolist() for row in labels]
