"""Cheap hashes of a user's own files, which say whether these have changed."""

import hashlib
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from faithcam.core.errors import FaithcamError


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


def of_files(paths: Sequence[Path]) -> str:
    """Return a hash of the names, sizes and times of change of files, in any order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        state = path.stat() if path.exists() else None
        size_and_time = (state.st_size, state.st_mtime_ns) if state else "missing"
        digest.update(f"{path} {size_and_time}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
