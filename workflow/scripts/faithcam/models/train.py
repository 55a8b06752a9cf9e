"""Training of one network, and the adoption of weights from elsewhere.

Both leave the same three files: weights.safetensors, history.parquet and predictions.parquet. All
randomness is keyed by epoch, so a training that was killed goes on from its last checkpoint as if
nothing had happened. :func:`train` and :func:`adopt` leave threads and torch's flags to the caller.
"""

import hashlib
import io
import json
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from faithcam.core import runtime, seeding
from faithcam.core.errors import FaithcamError
from faithcam.data.store import Dataset, channels_last, open_dataset, to_tensor
from faithcam.models import imagenet, registry, weights
from faithcam.models.accuracy import balanced_accuracy
from faithcam.models.camnet import CamNet
from faithcam.models.tables import HISTORY, MULTI_LABEL_PREDICTIONS, PREDICTIONS
from faithcam.results import io as tables

PREDICTION_BATCH = 64
OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def obtain(
    identity: Any,
    manifest: Path,
    settings: Mapping[str, Any],
    folder: Path,
    trained: Path | str | None = None,
    imagenet: Path | str | None = None,
    code: str = "",
) -> None:
    """Make one network's three files: train it, or take the user's weights.

    Args:
        identity: with the names ``architecture``, ``head`` and ``seed``.
        manifest: of the data set, in its folder.
        settings: of the config: seed, device, threads, training, and the data set's control.
        folder: gets the files.
        trained: the user's own weights, used instead of training.
        imagenet: what ``fetching.record`` wrote, to start from those weights.
        code: version of the code.

    Raises:
        FaithcamError: see :func:`train` and :func:`adopt`.
    """
    device = runtime.configure(settings["device"], settings["threads"])
    dataset = open_dataset(Path(manifest).parent)
    model = (dataset, identity.architecture, identity.head, identity.seed)
    if trained:
        adopt(*model, Path(trained), device, folder)
        return
    pretrained = Path(imagenet) if imagenet else None
    if settings.get("control") == "untrained":
        leave_untrained(*model, settings["seed"], device, folder, pretrained)
        return
    digest = hashlib.sha256(Path(manifest).read_bytes()).hexdigest()
    train(*model, settings["training"], settings["seed"], device, folder, digest, pretrained, code)


def train(
    dataset: Dataset,
    architecture: str,
    head: str,
    seed: int,
    settings: Mapping[str, Any],
    experiment_seed: int,
    device: torch.device | str,
    folder: Path,
    manifest_sha256: str = "",
    pretrained: Path | None = None,
    code: str = "",
) -> None:
    """Train a network until its validation loss stops falling; keep the best epoch's weights.

    Args:
        dataset: with splits train, val and test.
        architecture: a key of ``registry.ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        seed: training seed, the network's name among its like.
        settings: ``training`` of the config: optimizer, learning_rate, weight_decay, batch_size,
            epochs, patience, flips, rotation.
        experiment_seed: ``seed`` of the config.
        device: where to train.
        folder: gets the three files, and checkpoint.pt as long as the training lasts.
        manifest_sha256: names the data; a checkpoint of other data is not continued.
        pretrained: what ``fetching.record`` wrote, to start from those weights.
        code: version of the code; a checkpoint of another version is not continued.

    Raises:
        FaithcamError: if a class has no training image, the loss is not finite or weights do not
            fit.
    """
    device, folder = torch.device(device), Path(folder)
    name = f"{architecture}-{head}/seed{seed}"
    key = (experiment_seed, dataset.name, name)
    ids = dataset.split("train")
    class_weights = (
        _label_weights(dataset, ids) if dataset.multi_label else _class_weights(dataset, ids)
    )
    model = _initial(dataset, architecture, head, key, pretrained).to(device).channels_last()
    optimizer = OPTIMIZERS[settings["optimizer"]](
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    fingerprint = json.dumps(
        {
            "model": [
                *key,
                dataset.size,
                dataset.classes,
                pretrained and imagenet.weights(architecture),
            ],
            "settings": dict(settings),
            "data": manifest_sha256,
            "code": code,
            "machine": [torch.__version__, device.type, torch.get_num_threads()],
        },
        sort_keys=True,
    )
    checkpoint = folder / "checkpoint.pt"
    history: list[dict[str, Any]] = []
    best: dict[str, Tensor] = {}
    if state := _resume(checkpoint, fingerprint, device):
        history, best = state["history"], state["best"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])

    for epoch in range(len(history), settings["epochs"]):
        if history and epoch - 1 - _best_epoch(history) >= settings["patience"]:
            break
        started = time.perf_counter()
        random = seeding.generator(*key, "epoch", epoch)
        with seeding.torch_seed(*key, "dropout", epoch):  # stochastic depth, too
            train_loss = _train_epoch(
                model, optimizer, dataset, ids, class_weights, settings, random
            )
        val_loss, balanced_accuracy = _validate(model, dataset, class_weights, device)
        if not np.isfinite(train_loss + val_loss):
            raise FaithcamError(
                f"training.learning_rate: with {settings['learning_rate']} the loss of {name} on "
                f"{dataset.name} is {train_loss} in training and {val_loss} in validation in epoch "
                f"{epoch}, expected finite numbers; lower it"
            )
        history.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_balanced_accuracy": balanced_accuracy,
            }
        )
        is_best = _best_epoch(history) == epoch
        if is_best:
            best = {part: value.clone() for part, value in model.state_dict().items()}
        print(
            f"{dataset.name} {name} epoch {epoch} of at most {settings['epochs']}: "
            f"loss {train_loss:.4f}, validation loss {val_loss:.4f}, "
            f"balanced accuracy {balanced_accuracy:.3f}, "
            f"{time.perf_counter() - started:.1f} s{' *' * is_best}",
            flush=True,
        )
        content = io.BytesIO()
        torch.save(
            {
                "fingerprint": fingerprint,
                "history": history,
                "best": best,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
            content,
        )
        with tables.atomic_path(checkpoint) as temporary:
            temporary.write_bytes(content.getbuffer())  # a full disk is an OSError
    model.load_state_dict(best)
    _write(model, dataset, architecture, seed, history, device, folder)
    checkpoint.unlink(missing_ok=True)


def leave_untrained(
    dataset: Dataset,
    architecture: str,
    head: str,
    seed: int,
    experiment_seed: int,
    device: torch.device | str,
    folder: Path,
    pretrained: Path | None = None,
) -> None:
    """Write a network as it is before its training: same files, empty history.

    Args:
        dataset: the predictions are for its val and test splits.
        architecture: a key of ``registry.ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        seed: training seed, the network's name among its like.
        experiment_seed: ``seed`` of the config.
        device: where to predict.
        folder: gets the three files.
        pretrained: what ``fetching.record`` wrote, if trainings start from those weights.
    """
    key = (experiment_seed, dataset.name, f"{architecture}-{head}/seed{seed}")
    model = _initial(dataset, architecture, head, key, pretrained).to(device)
    _write(model, dataset, architecture, seed, [], torch.device(device), Path(folder))


def adopt(
    dataset: Dataset,
    architecture: str,
    head: str,
    seed: int,
    source: Path,
    device: torch.device | str,
    folder: Path,
) -> None:
    """Take weights from elsewhere instead of training: same files, empty history.

    Args:
        dataset: the predictions are for its val and test splits.
        architecture: a key of ``registry.ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        seed: what the network is called.
        source: a safetensors file.
        device: where to predict.
        folder: gets the three files.

    Raises:
        FaithcamError: if the weights are missing or do not fit.
    """
    device = torch.device(device)
    model = weights.load(source, architecture, head, len(dataset.classes), dataset.size)
    print(f"{source}: fits {architecture}-{head}, used instead of training", flush=True)
    _write(model.to(device), dataset, architecture, seed, [], device, Path(folder))


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
            batches.append(model(_images(dataset, batch, device)).cpu())
    return torch.cat(batches)


def rigid_motions(
    count: int, flips: Sequence[str], rotation: float, random: np.random.Generator
) -> Tensor:
    """Return one random flip and rotation per image, as ``affine_grid`` takes it.

    Args:
        count: n, how many.
        flips: any of ``horizontal`` and ``vertical``, each with probability one half.
        rotation: angles are uniform in +- this many degrees.
        random: an epoch's generator.

    Returns:
        (n, 2, 3) float32.
    """
    angle = np.deg2rad(random.uniform(-rotation, rotation, count))
    coins = np.where(random.random((2, count)) < 0.5, -1, 1)
    x = coins[0] if "horizontal" in flips else np.ones(count)
    y = coins[1] if "vertical" in flips else np.ones(count)
    zero = np.zeros(count)
    rows = [
        [np.cos(angle) * x, -np.sin(angle) * y, zero],
        [np.sin(angle) * x, np.cos(angle) * y, zero],
    ]
    return torch.from_numpy(np.array(rows, dtype=np.float32)).permute(2, 0, 1)


def moved(images: Tensor, motions: Tensor) -> Tensor:
    """Return images (N, C, H, W) moved by (N, 2, 3); what comes in repeats the border.

    All slices of a volume (N, S, C, H, W) move alike.
    """
    flat = images.flatten(1, -3)
    grid = F.affine_grid(motions, list(flat.shape), align_corners=False)
    out: Tensor = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return out.reshape(images.shape)


def _images(dataset: Dataset, image_ids: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    return channels_last(to_tensor(dataset.images[image_ids]).to(device))


def _class_weights(dataset: Dataset, image_ids: np.ndarray[Any, Any]) -> Tensor:
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


def _loss(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean loss, and what its mean is over.

    Cross-entropy, weighted by class; with several labels per image (N, C) the binary cross-entropy
    of each, in which an image with the label counts as much as those without it do together.
    """
    if labels.ndim == 2:
        loss = F.binary_cross_entropy_with_logits(logits, labels.to(logits), pos_weight=weights)
        return loss, weights.new_tensor(len(labels))
    return F.cross_entropy(logits, labels, weight=weights), weights[labels].sum()


def _initial(
    dataset: Dataset,
    architecture: str,
    head: str,
    key: tuple[int, str, str],
    pretrained: Path | None,
) -> CamNet:
    with seeding.torch_seed(*key, "initialisation"):
        model = registry.build(architecture, head, len(dataset.classes), dataset.size)
    if pretrained is not None:
        imagenet.load(model, architecture, pretrained)
        print(f"{pretrained}: ImageNet weights loaded", flush=True)
    return model


def _train_epoch(
    model: CamNet,
    optimizer: torch.optim.Optimizer,
    dataset: Dataset,
    ids: np.ndarray[Any, Any],
    class_weights: Tensor,
    settings: Mapping[str, Any],
    random: np.random.Generator,
) -> float:
    device = model.classifier.weight.device
    class_weights = class_weights.to(device)
    order = random.permutation(ids)
    motions = rigid_motions(len(ids), settings["flips"], settings["rotation"], random)
    model.train()
    loss_sum, weight_sum = torch.zeros(2, dtype=torch.float64, device=device)
    for start in range(0, len(order), settings["batch_size"]):
        part = slice(start, start + settings["batch_size"])
        images = _images(dataset, order[part], device)
        if settings["flips"] or settings["rotation"]:
            images = moved(images, motions[part].to(device))
        labels = torch.from_numpy(dataset.labels[order[part]]).to(device)
        loss, total = _loss(model(images), labels, class_weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.detach() * total
        weight_sum += total
    return float(loss_sum / weight_sum)


def _validate(
    model: CamNet, dataset: Dataset, class_weights: Tensor, device: torch.device
) -> tuple[float, float]:
    ids = dataset.split("val")
    logits, labels = predict(model, dataset, ids, device), torch.from_numpy(dataset.labels[ids])
    loss, _ = _loss(logits.double(), labels, class_weights.double())
    guesses = (logits > 0).long() if dataset.multi_label else logits.argmax(1)
    return float(loss), balanced_accuracy(labels.long().numpy(), guesses.numpy())


def _best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    return int(np.argmin([row["val_loss"] for row in history]))


def _resume(path: Path, fingerprint: str, device: torch.device) -> dict[str, Any] | None:
    for half in path.parent.glob(f".{path.name}.*.part"):  # killed while writing
        half.unlink()
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if state["fingerprint"] == fingerprint:
            print(f"{path}: going on after epoch {len(state['history']) - 1}", flush=True)
            return state
        reason = "it belongs to a training with other settings, data, code or software"
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = f"it cannot be read ({error})"
    print(f"{path}: not used, {reason}; the training starts afresh", flush=True)
    return None


def _write(
    model: CamNet,
    dataset: Dataset,
    architecture: str,
    seed: int,
    history: Sequence[Mapping[str, Any]],
    device: torch.device,
    folder: Path,
) -> None:
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
    weights.save(model, folder / "weights.safetensors", metadata)
    columns: dict[str, Any] = {
        name: [row[name] for row in history] for name in HISTORY.names if name != "best"
    }
    columns["best"] = [row["epoch"] == _best_epoch(history) for row in history]
    tables.write(folder / "history.parquet", columns, HISTORY)
    predictions = {"image_id": ids, "split": dataset.splits[ids]}
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
