"""Downloads of ImageNet weights: a job of its own, without torch and without a model."""

import json
from pathlib import Path

from faithcam.data.fetch import downloads
from faithcam.models.imagenet import weights
from faithcam.results.checksums import checksum
from faithcam.results.files import recorded

BASE_URL = "https://download.pytorch.org/models/"


def download(architecture: str, folder: Path, base_url: str = BASE_URL, pause: float = 2) -> Path:
    """Fetch the ImageNet weights of an architecture, unless they are there and whole.

    A file with another checksum is set aside and fetched again; a failed attempt is repeated.

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
    text = json.dumps({"file": str(file), "sha256": checksum(file, "sha256")}, indent=1)
    with recorded(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
