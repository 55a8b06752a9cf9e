"""Networks by training, untrained, or from the user's weights: each way leaves the same files."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from faithcam.core import runtime
from faithcam.data.dataset import Dataset, open_dataset
from faithcam.models import weights
from faithcam.models.outputs import write
from faithcam.models.train import initial, train
from faithcam.results.checksums import checksum


def obtain(
    identity: Any,
    manifest: Path,
    settings: Mapping[str, Any],
    folder: Path,
    trained: Path | str | None = None,
    imagenet: Path | str | None = None,
    code: str = "",
) -> None:
    """Make one network's three files: train it, leave it untrained, or take the user's weights.

    Args:
        identity: with the names ``architecture``, ``head`` and ``seed``.
        manifest: of the data set, in its folder.
        settings: of the config: seed, device, threads, training, the data set's control, and of a
            network of the user's own its name (``network``).
        folder: gets the files.
        trained: the user's own weights, used instead of training.
        imagenet: what ``fetching.record`` wrote, to start from those weights.
        code: version of the code.

    Raises:
        FaithcamError: see :func:`train` and :func:`adopt`.
    """
    device = runtime.configure(settings["device"], settings["threads"])
    dataset = open_dataset(Path(manifest).parent)
    architecture, head, seed = identity.architecture, identity.head, identity.seed
    if settings.get("network") and trained:
        adopt_own(dataset, settings["network"], identity, Path(trained), device, folder)
        return
    if trained:
        adopt(dataset, architecture, head, seed, Path(trained), device, folder)
        return
    pretrained = Path(imagenet) if imagenet else None
    if settings.get("control") == "untrained":
        key = (settings["seed"], dataset.name, f"{architecture}-{head}/seed{seed}")
        model = initial(dataset, architecture, head, key, pretrained).to(device)
        write(model, dataset, architecture, seed, [], device, Path(folder))
        return
    train(
        dataset, architecture, head, seed, settings["training"], settings["seed"], device, folder,
        checksum(Path(manifest), "sha256"), pretrained, code, settings.get("control", "none"),
    )  # fmt: skip


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
        source: see :func:`faithcam.models.weights.fill`.
        device: where to predict.
        folder: gets the three files.

    Raises:
        FaithcamError: if the weights are missing or do not fit.
    """
    device = torch.device(device)
    model = weights.load(source, architecture, head, len(dataset.classes), dataset.size)
    print(f"{source}: fits {architecture}-{head}, used instead of training", flush=True)
    write(model.to(device), dataset, architecture, seed, [], device, Path(folder))


def adopt_own(
    dataset: Dataset,
    network: str,
    identity: Any,
    source: Path,
    device: torch.device | str,
    folder: Path,
) -> None:
    """Take a network of the user's own with its weights: same files, empty history.

    Args:
        dataset: the predictions are for its val and test splits.
        network: MODULE:FUNCTION.
        identity: with the names ``architecture``, ``head`` and ``seed``.
        source: see :func:`faithcam.models.weights.fill`.
        device: where to predict.
        folder: gets the three files.

    Raises:
        FaithcamError: see :func:`faithcam.models.own_nets.load`.
    """
    device = torch.device(device)
    load = import_module("faithcam.models.own_nets").load  # no code of other networks' jobs
    size, classes = dataset.size, len(dataset.classes)
    whole, parts = load(source, network, identity.head, classes, size)
    print(f"{source}: fits {network}, head {identity.head}, used as it is", flush=True)
    write(
        parts.to(device), dataset, identity.architecture, identity.seed, [], device, Path(folder),
        (network, whole),
    )  # fmt: skip
