"""Checksums of files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from faithcam.core.errors import FaithcamError


def checksum(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file; ``algorithm`` is one of hashlib's."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def discarded(
    path: Path, actual: str, expected: str, records: Iterable[Path | str]
) -> FaithcamError:
    """Delete a download that is not whole, and its records, so that the next run downloads it.

    Args:
        path: of the download.
        actual: its checksum.
        expected: the right one.
        records: of the download.

    Returns:
        The error that says so.
    """
    files = [file for file in (path, *map(Path, records)) if file.exists()]
    for file in files:
        file.unlink(missing_ok=True)  # another job may have been faster
    return FaithcamError(
        f"{path}: {actual} found, {expected} expected; deleted: "
        f"{', '.join(map(str, files)) or 'nothing'}; run again to download it"
    )
