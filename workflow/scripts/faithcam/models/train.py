"""Training of one network.

All randomness is keyed by epoch, so a training that was killed goes on from its last checkpoint as
if nothing had happened. Threads and torch's flags are left to the caller.
"""

import hashlib
import io
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.data.dataset import Dataset
from faithcam.models import augmentation, imagenet, losses, registry
from faithcam.models.accuracy import balanced_accuracy
from faithcam.models.camnet import CamNet
from faithcam.models.dead_zone import blind
from faithcam.models.outputs import best_epoch, images_of, predict, write
from faithcam.results import files

OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
SEAL = hashlib.sha256().digest_size  # bytes


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
    control: str = "none",
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
        control: of the data set: ``dead_zone`` makes a network that is blind to some cells.

    Raises:
        FaithcamError: if a class has no training image, the loss is not finite or weights do not
            fit.
    """
    device, folder = torch.device(device), Path(folder)
    name = f"{architecture}-{head}/seed{seed}"
    key = (experiment_seed, dataset.name, name)
    ids = dataset.split("train")
    weights = losses.class_weights(dataset, ids)
    model = initial(dataset, architecture, head, key, pretrained)
    if control == "dead_zone":
        blind(model, registry.find(architecture).cells(dataset.size))
    model = model.to(device).channels_last()
    optimizer = OPTIMIZERS[settings["optimizer"]](
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    fingerprint = json.dumps(
        {
            "model": [
                *key,
                control,
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
        if history and epoch - 1 - best_epoch(history) >= settings["patience"]:
            break
        started = time.perf_counter()
        random = seeding.generator(*key, "epoch", epoch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, epoch)
        with seeding.torch_seed(*key, "dropout", epoch):  # stochastic depth, too
            train_loss = _train_epoch(model, optimizer, dataset, ids, weights, settings, random)
        val_loss, balanced_accuracy = _validate(model, dataset, weights, device)
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
        is_best = best_epoch(history) == epoch
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
                "history": history,
                "best": best,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
            content,
        )
        # not by torch, so that a full disk is an OSError
        with files.atomic_path(checkpoint) as temporary, temporary.open("wb") as file:
            file.write(_seal(fingerprint, content.getbuffer()))
            file.write(content.getbuffer())
    model.load_state_dict(best)
    write(model, dataset, architecture, seed, history, device, folder)
    checkpoint.unlink(missing_ok=True)


def learning_rate(settings: Mapping[str, Any], epoch: int) -> float:
    """Return the step size of an epoch, counted from 0: the same, or falling as a cosine towards 0.

    Source: arXiv 1608.03983, without restarts.
    """
    share = 1.0
    if settings["schedule"] == "cosine":
        share = (1 + math.cos(math.pi * epoch / settings["epochs"])) / 2
    return float(settings["learning_rate"] * share)


def initial(
    dataset: Dataset,
    architecture: str,
    head: str,
    key: tuple[int, str, str],
    pretrained: Path | None,
) -> CamNet:
    """Return a network as its training begins.

    Args:
        dataset: whose classes and image size it is for.
        architecture: a key of ``registry.ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        key: of its random numbers.
        pretrained: what ``fetching.record`` wrote, to start from those weights.
    """
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
    weights: Tensor,
    settings: Mapping[str, Any],
    random: np.random.Generator,
) -> float:
    device = model.classifier.weight.device
    weights = weights.to(device)
    order = random.permutation(ids)
    motions = augmentation.rigid_motions(len(ids), settings["flips"], settings["rotation"], random)
    model.train()
    loss_sum, weight_sum = torch.zeros(2, dtype=torch.float64, device=device)
    for start in range(0, len(order), settings["batch_size"]):
        part = slice(start, start + settings["batch_size"])
        images = images_of(dataset, order[part], device)
        if settings["flips"] or settings["rotation"]:
            images = augmentation.moved(images, motions[part].to(device))
        labels = torch.from_numpy(dataset.labels[order[part]]).to(device)
        loss, total = losses.loss(model(images), labels, weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.detach() * total
        weight_sum += total
    return float(loss_sum / weight_sum)


def _validate(
    model: CamNet, dataset: Dataset, weights: Tensor, device: torch.device
) -> tuple[float, float]:
    ids = dataset.split("val")
    logits, labels = predict(model, dataset, ids, device), torch.from_numpy(dataset.labels[ids])
    loss, _ = losses.loss(logits.double(), labels, weights.double())
    guesses = (logits > 0).long() if dataset.multi_label else logits.argmax(1)
    return float(loss), balanced_accuracy(labels.long().numpy(), guesses.numpy())


def _resume(path: Path, fingerprint: str, device: torch.device) -> dict[str, Any] | None:
    for half in path.parent.glob(f".{path.name}.*.part"):  # killed while writing
        half.unlink()
    if not path.is_file():
        return None
    with path.open("rb") as file:
        seal, content = file.read(SEAL), file.read()
    if seal != _seal(fingerprint, content):
        print(
            f"{path}: not used, it is cut short, damaged or of a training with other settings, "
            "data, code or software; the training starts afresh",
            flush=True,
        )
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    print(f"{path}: going on after epoch {len(state['history']) - 1}", flush=True)
    return state


def _seal(fingerprint: str, content: bytes | memoryview) -> bytes:
    """Return what a checkpoint begins with: of another training or content it is another."""
    digest = hashlib.sha256(fingerprint.encode())
    digest.update(content)
    return digest.digest()
