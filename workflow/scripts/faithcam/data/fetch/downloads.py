"""Fetch a file with a known checksum: progress, attempts, and never half a file under its name.

An attempt goes on where the last one broke off.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.results.checksums import checksum
from faithcam.results.files import set_aside

CHUNK = 1 << 20  # bytes written at once; of a connection that breaks, the last one is lost


def fetch(
    url: str, path: Path, algorithm: str, expected: str, attempts: int = 3, pause: float = 2
) -> None:
    """Download ``url`` to ``path``, unless the right file is already there.

    A file with another checksum is set aside, which is said, and fetched again. What a broken
    connection left stays beside it, and the next attempt or run asks for the rest alone, if the
    server can do that.

    Args:
        url: address of the file.
        path: where to.
        algorithm: of the checksum, one of hashlib's.
        expected: the checksum's hexadecimal digest, or the first digits where no more is published;
            "" where nothing is known.
        attempts: how often the server is asked at most.
        pause: seconds before the second attempt, doubled before each further one.

    Raises:
        FaithcamError: if no attempt brought the right file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        if path.exists():
            digest = checksum(path, algorithm)
            if digest.startswith(expected):
                as_known = f"{algorithm} as expected" if expected else "its checksum is not known"
                print(f"{path}: already there, {as_known}", flush=True)
                return
            kept = set_aside(path, digest)
            print(f"{path}: {algorithm} {digest} found, {expected} expected: it is now {kept}")
        _fetch(url, path, algorithm, expected, attempts, pause)


def _fetch(
    url: str, path: Path, algorithm: str, expected: str, attempts: int, pause: float
) -> None:
    import requests

    part = path.with_name(f".{path.name}.part")
    problem = ""
    for attempt in range(attempts):
        if attempt:
            print(f"{problem}: trying again", flush=True)
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            # a killed process may have left the whole file
            if not (expected and part.exists() and checksum(part, algorithm).startswith(expected)):
                _continue(url, part, path.name)
            if not (digest := checksum(part, algorithm)).startswith(expected):
                part.unlink()
                raise ValueError(f"{algorithm} {digest} found, {expected} expected, deleted")
            os.replace(part, path)
            return
        except (requests.RequestException, ValueError) as error:
            problem = f"{url}: {error}"
            if part.exists() and not part.stat().st_size:
                part.unlink()
    raise FaithcamError(
        f"{problem}; {attempts} attempts failed: check the network, or put the file at {path}"
    )


def _continue(url: str, part: Path, name: str) -> None:
    """Append to ``part`` what is missing of the file, or all of it where the server starts anew."""
    import pooch
    import requests
    from tqdm import tqdm

    with (
        part.open("ab") as file,
        tqdm(total=1, desc=name, unit="B", unit_scale=True, mininterval=1) as progress,
    ):
        start = file.tell()
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"

        def restart(response: requests.Response, **_: Any) -> None:
            # the whole file instead of the rest, or no rest: what is here is of another file
            if response.status_code in (200, 416):
                file.truncate(0)

        pooch.HTTPDownloader(
            progress, chunk_size=CHUNK, timeout=60, headers=headers, hooks={"response": restart}
        )(url, file, None)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let no other process of this user's on this machine make the same file meanwhile."""
    from filelock import FileLock

    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"faithcam-{os.getuid()}-{name}.lock"):
        yield
