"""Downloads of data sets: the only module of images that needs the network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.data.collection import Collection, File
from faithcam.data.definitions import COLLECTIONS, downloads_folder, medmnist
from faithcam.data.fetch import downloads
from faithcam.data.fetch.downloaded import expected_of, note_of
from faithcam.results.checksums import checksum
from faithcam.results.files import atomic_path, recorded

BASE_URL = "https://zenodo.org/records/10519652/files"


def record(definition: Mapping[str, Any], resources: str, path: Path) -> None:
    """Fetch what a data set is made from and write down, as JSON at ``path``, where it is.

    Raises:
        FaithcamError: if it could not be fetched.
    """
    folder = downloads_folder(definition, resources)
    content: dict[str, Any]
    if definition["source"] == "medmnist":
        flag, size = definition["flag"], definition["size"]
        file = download_medmnist(flag, size, folder)
        content = {"file": str(file), "md5": medmnist().md5(flag, size)}
    else:
        content = {"files": download_collection(COLLECTIONS[definition["source"]], folder)}
    with recorded(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def url(flag: str, size: int, base: str = BASE_URL) -> str:
    """Return the npz's address."""
    return f"{base}/{medmnist().filename(flag, size)}?download=1"


def download_medmnist(
    flag: str, size: int, folder: Path, base: str = BASE_URL, pause: float = 2
) -> Path:
    """Fetch a data set, unless it is there: see :func:`faithcam.data.fetch.downloads.fetch`.

    Args:
        flag: a key of ``medmnist.FLAGS``.
        size: one of ``medmnist.SIZES``.
        folder: where the npz goes to.
        base: address of the folder on the server.
        pause: seconds before the second attempt.

    Returns:
        Path of the npz.

    Raises:
        FaithcamError: if it could not be fetched, or there is no such data set.
    """
    path: Path = folder / medmnist().filename(flag, size)
    downloads.fetch(url(flag, size, base), path, "md5", medmnist().md5(flag, size), pause=pause)
    return path


def download_collection(
    collection: Collection, folder: Path, pause: float = 2
) -> list[dict[str, str]]:
    """Fetch a collection's files, unless they are there (:mod:`faithcam.data.fetch.downloads`).

    Args:
        collection: which one.
        folder: where to.
        pause: seconds before the second attempt.

    Returns:
        file, algorithm and checksum of each.

    Raises:
        FaithcamError: if one could not be fetched, or the user has to bring it and did not.
    """
    files = []
    for file in collection.files:
        path = folder / file.name
        algorithm, expected = expected_of(file, folder)
        if file.url:
            _fetch(file, path, algorithm, expected, pause)
        elif not path.is_file():
            raise FaithcamError(f"{path}: no such file; {file.bring}")
        digest = checksum(path, algorithm)
        if file.url and not expected:
            note = note_of(path)
            with atomic_path(note) as temporary:
                temporary.write_text(f"{digest}  {file.name}\n", encoding="utf-8")
            print(f"{path}: no checksum is published; sha256 {digest}, written to {note}")
        files.append({"file": str(path), "algorithm": algorithm, "checksum": digest})
    return files


def _fetch(file: File, path: Path, algorithm: str, expected: str, pause: float) -> None:
    try:
        downloads.fetch(file.url, path, algorithm, expected, pause=pause)
    except FaithcamError as error:
        if file.md5 or not expected:
            raise
        raise FaithcamError(
            f"{error}; its publisher gives no checksum: {note_of(path)} holds that of the first "
            "download, delete it to accept another file"
        ) from error
