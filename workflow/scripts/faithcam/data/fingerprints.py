"""Cheap hashes of a user's own files, which say whether these have changed."""

import hashlib
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from faithcam.core.errors import FaithcamError

BLOCK, BLOCKS = 4096, 256  # bytes, and how many blocks of them are looked at


def of_folder(path: Path | str) -> str:
    """Return a cheap hash of a user's images, as they are listed for preparing them.

    Args:
        path: a folder of class folders, or a CSV.

    Raises:
        FaithcamError: if it cannot be read at all.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise FaithcamError(
            f"{path}: no such file or folder; expected a folder of class folders, or a CSV"
        )
    # by name: other sources have no code of it
    return str(import_module("faithcam.data.sources.folder").listing(path).fingerprint())


def of_content(path: Path | str) -> str:
    """Return a hash of a file's size and of parts of it all over, whatever its time of change.

    A file of other weights or maps has another one, also where it is older than that it replaces.

    Args:
        path: of the file.

    Raises:
        FaithcamError: if it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            step = max(BLOCK, size // BLOCKS)
            for start in [*range(0, size, step), max(0, size - BLOCK)]:
                file.seek(start)
                digest.update(file.read(BLOCK))
    except OSError as error:
        raise FaithcamError(f"{path}: cannot be read ({error.strerror})") from error
    return hashlib.sha256(f"{size} {digest.hexdigest()}".encode()).hexdigest()


def of_files(paths: Sequence[Path]) -> str:
    """Return a hash of the names, sizes and times of change of files, in any order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        state = path.stat() if path.exists() else None
        size_and_time = (state.st_size, state.st_mtime_ns) if state else "missing"
        digest.update(f"{path} {size_and_time}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
