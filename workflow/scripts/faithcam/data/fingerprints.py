"""Cheap hashes of a user's own files, which say whether these have changed."""

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from faithcam.core.errors import FaithcamError


def of_folder(path: Path | str) -> str:
    """Return a cheap hash of a user's images: names, sizes and times of change of the files.

    Args:
        path: a folder of class folders, or a CSV: then of the CSV and the files it names.

    Raises:
        FaithcamError: if there is no such file or folder.
    """
    path = Path(path)
    if path.is_dir():
        walk = os.walk(path, followlinks=True)
        return of_files([Path(top, name) for top, _, names in walk for name in names])
    if not path.is_file():
        raise FaithcamError(
            f"{path}: no such file or folder; expected a folder of class folders, or a CSV"
        )
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        named = {row.get(name) for row in csv.DictReader(file) for name in ("path", "mask")}
    return of_files([path, *(path.parent / name for name in named if name)])


def of_files(paths: Sequence[Path]) -> str:
    """Return a hash of the names, sizes and times of change of files, in any order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        state = path.stat() if path.exists() else None
        size_and_time = (state.st_size, state.st_mtime_ns) if state else "missing"
        digest.update(f"{path} {size_and_time}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
