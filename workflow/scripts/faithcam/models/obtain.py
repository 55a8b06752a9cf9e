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
    if trained:
        adopt(dataset, identity, Path(trained), device, Path(folder), settings.get("network", ""))
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
    identity: Any,
    source: Path,
    device: torch.device,
    folder: Path,
    network: str = "",
) -> None:
    """Take weights from elsewhere instead of training: same files, empty history.

    Args:
        dataset: the predictions are for its val and test splits.
        identity: with the names ``architecture``, ``head`` and ``seed``.
        source: see :func:`faithcam.models.weights.fill`.
        device: where to predict.
        folder: gets the three files.
        network: of the user's own, MODULE:FUNCTION; "": an architecture of the registry.

    Raises:
        FaithcamError: if the weights are missing or do not fit; of a network of the user's own see
            :func:`faithcam.models.own_nets.load`.
    """
    architecture, head = identity.architecture, identity.head
    classes, size, whole = len(dataset.classes), dataset.size, None
    if network:
        own_nets = import_module("faithcam.models.own_nets")  # no code of other networks' jobs
        built, model = own_nets.load(source, network, head, classes, size)
        whole = (network, built)
    else:
        model = weights.load(source, architecture, head, classes, size)
    name = f"{network}, head {head}" if network else f"{architecture}-{head}"
    print(f"{source}: fits {name}, used as it is", flush=True)
    write(model.to(device), dataset, architecture, identity.seed, [], device, folder, whole)
