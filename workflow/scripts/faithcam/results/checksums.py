"""Checksums of files."""

import hashlib
from pathlib import Path


def checksum(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file; ``algorithm`` is one of hashlib's."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
