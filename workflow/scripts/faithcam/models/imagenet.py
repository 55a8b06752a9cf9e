"""Published ImageNet weights: which there are, and how they get into a network.

Their download is :mod:`faithcam.models.fetching`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from faithcam.core.errors import FaithcamError
from faithcam.models import registry
from faithcam.results.checksums import checksum
from faithcam.results.files import discarded, read_json

if TYPE_CHECKING:
    from faithcam.models.camnet import CamNet


def weights(architecture: str) -> tuple[str, str]:
    """Return (file name, sha256 or its first digits) of an architecture's ImageNet weights.

    torchvision publishes the first eight digits, as part of the file name.

    Raises:
        FaithcamError: if it has none.
    """
    published = registry.find(architecture).imagenet
    if published is None:
        known = ", ".join(name for name, spec in registry.ARCHITECTURES.items() if spec.imagenet)
        raise FaithcamError(
            f"training.pretrained: {architecture} has no ImageNet weights; these have: {known}"
        )
    return published


def load(model: CamNet, architecture: str, record: Path) -> None:
    """Copy ImageNet weights into a network's features; its classifier stays as it is.

    So does what the network uses in another way than on ImageNet: it starts fresh.

    Args:
        model: built by ``registry.build``.
        architecture: its name.
        record: what ``fetching.record`` wrote.

    Raises:
        FaithcamError: if the file is missing, has another checksum or other weights. In the first
            two cases the record is deleted, so that the next run downloads it again.
    """
    _, digits = weights(architecture)
    path = Path(read_json(record)["file"])
    digest = f"sha256 {checksum(path, 'sha256')}" if path.is_file() else "no file"
    if not digest.startswith(expected := f"sha256 {digits}"):
        raise discarded(path, digest, expected, [record])
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        trunk = registry.imagenet_features(architecture, state)
    except RuntimeError as error:
        raise FaithcamError(f"{path}: not the published weights: {error}") from error
    model.features.load_state_dict(model.features.state_dict() | trunk, strict=True)
