"""Published ImageNet weights: where they are, how they get here and into a network.

The download is a job of its own, without torch and without a model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from faithcam import downloads
from faithcam.errors import FaithcamError
from faithcam.models import registry
from faithcam.tables import atomic_path

if TYPE_CHECKING:
    from faithcam.models.camnet import CamNet

BASE_URL = "https://download.pytorch.org/models/"


def weights(architecture: str) -> tuple[str, str]:
    """Return (file name, sha256 or its first digits) of an architecture's ImageNet weights.

    torchvision publishes the first eight digits, as part of the file name.

    Raises:
        FaithcamError: if it has none.
    """
    published = registry.find(architecture).imagenet
    if published is None:
        known = ", ".join(name for name, facts in registry.ARCHITECTURES.items() if facts.imagenet)
        raise FaithcamError(
            f"training.pretrained: {architecture} has no ImageNet weights; these have: {known}"
        )
    return published


def download(architecture: str, folder: Path, base_url: str = BASE_URL, pause: float = 2) -> Path:
    """Fetch the ImageNet weights of an architecture, unless they are there and whole.

    A file with another checksum is deleted and fetched again; a failed attempt is repeated.

    Args:
        architecture: a key of ``ARCHITECTURES``.
        folder: where the file is, or goes to.
        base_url: address of the folder on the server, with a slash at its end.
        pause: seconds before the second attempt.

    Returns:
        Path of the file, whose sha256 is the architecture's.

    Raises:
        FaithcamError: if there are no such weights, or no attempt brought the right file.
    """
    name, expected = weights(architecture)
    path = Path(folder) / name
    downloads.fetch(base_url + name, path, "sha256", expected, pause=pause)
    return path


def record(architecture: str, folder: Path, path: Path) -> None:
    """Fetch the weights and write down, as JSON, where they are: file, sha256.

    Args:
        architecture: a key of ``ARCHITECTURES``.
        folder: of downloads.
        path: of the JSON file.

    Raises:
        FaithcamError: see :func:`download`.
    """
    file = download(architecture, folder)
    text = json.dumps({"file": str(file), "sha256": downloads.checksum(file, "sha256")}, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load(model: CamNet, architecture: str, record: Path) -> None:
    """Copy ImageNet weights into a network's features; its classifier stays as it is.

    So does what the network uses in another way than on ImageNet: it starts fresh.

    Args:
        model: built by ``registry.build``.
        architecture: its name.
        record: what :func:`record` wrote.

    Raises:
        FaithcamError: if the file is missing, has another checksum or other weights. In the first
            two cases file and record are deleted, so that the next run downloads it again.
    """
    _, digits = weights(architecture)
    path = Path(json.loads(record.read_text(encoding="utf-8"))["file"])
    found = f"sha256 {downloads.checksum(path, 'sha256')}" if path.is_file() else "no file"
    if not found.startswith(expected := f"sha256 {digits}"):
        wrong = [file for file in (path, record) if file.exists()]
        for file in wrong:
            file.unlink(missing_ok=True)  # another job may have been faster
        raise FaithcamError(
            f"{path}: {found} found, {expected} expected; deleted: "
            f"{', '.join(map(str, wrong)) or 'nothing'}; run again to download it"
        )
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        trunk = registry.imagenet_features(architecture, state)
    except RuntimeError as error:
        raise FaithcamError(f"{path}: not the published weights: {error}") from error
    model.features.load_state_dict(model.features.state_dict() | trunk, strict=True)
