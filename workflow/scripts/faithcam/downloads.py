"""Fetch a file with a known checksum: progress, attempts, and never half a file."""

import hashlib
import time
from pathlib import Path

from faithcam.errors import FaithcamError
from faithcam.tables import atomic_path


def checksum(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file; ``algorithm`` is one of hashlib's."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch(
    url: str, path: Path, algorithm: str, expected: str, attempts: int = 3, pause: float = 2
) -> None:
    """Download ``url`` to ``path``, unless the right file is already there.

    A file with another checksum is deleted, which is said, and fetched again.

    Args:
        url: address of the file.
        path: where to.
        algorithm: of the checksum, one of hashlib's.
        expected: the checksum's hexadecimal digest, or the first digits where no more is published.
        attempts: how often the server is asked at most.
        pause: seconds before the second attempt, doubled before each further one.

    Raises:
        FaithcamError: if no attempt brought the right file.
    """
    if path.exists():
        found = checksum(path, algorithm)
        if found.startswith(expected):
            print(f"{path}: already there, {algorithm} as expected", flush=True)
            return
        path.unlink()
        print(f"{path}: deleted, {algorithm} {found} found, {expected} expected", flush=True)

    import pooch
    import requests
    from tqdm import tqdm

    problem = ""
    for attempt in range(attempts):
        if attempt:
            print(f"{problem}: deleted, trying again", flush=True)
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            with (
                atomic_path(path) as part,
                tqdm(total=1, desc=path.name, unit="B", unit_scale=True, mininterval=1) as progress,
            ):
                pooch.HTTPDownloader(progress, chunk_size=1 << 20, timeout=60)(url, part, None)
                if not (found := checksum(part, algorithm)).startswith(expected):
                    raise ValueError(f"{algorithm} {found} found, {expected} expected")
            return
        except (requests.RequestException, ValueError) as error:
            problem = f"{url}: {error}"
    raise FaithcamError(
        f"{problem}; {attempts} attempts failed: check the network, or put the file at {path}"
    )
