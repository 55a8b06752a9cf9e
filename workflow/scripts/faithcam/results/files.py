"""Files of a run: whole or not there, recorded when they are written, checked when they are read.

The record of ``x.parquet`` is ``.x.parquet.record`` beside it, JSON:

- ``sha256`` of the file,
- ``blocks``: of arrays that are read in parts, the sha256 of each ``BLOCK`` of bytes,
- ``versions``: of Python and the libraries, all that made the file or a file that it was made from,
- ``seal``: sha256 of all this.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from faithcam.core import run, versions
from faithcam.core.errors import DAMAGED, FaithcamError
from faithcam.results.checksums import checksum

BLOCK = 2**20  # bytes
NOT_KEPT = "FAITHCAM_NO_RECORDS"  # environment: object storage, which keeps only declared outputs
Record = Mapping[str, Any]

_checked: dict[tuple[str, int, int], Record] = {}
_versions: dict[str, set[str]] = {}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends without error.

    A killed process leaves ``path`` as it was; an error removes the temporary file.

    Raises:
        FaithcamError: if the run that this process belongs to has died: another one may have
            written the file by now.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if run.is_over():
            raise FaithcamError(f"{path}: not written, the run that started this job has died")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def record_path(path: Path | str) -> Path:
    """Return where the record of a file is."""
    path = Path(path)
    return path.with_name(f".{path.name}.record")


def _seal(record: Record) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def is_record(name: str) -> bool:
    """Return whether a file's name is that of a record."""
    return name.startswith(".") and name.endswith(".record")


@contextlib.contextmanager
def recorded(path: Path | str, *, in_blocks: bool = False) -> Iterator[Path]:
    """Yield a temporary path as :func:`atomic_path` does, and record what is written there.

    Args:
        path: of the file.
        in_blocks: whether it is read in parts, by :func:`block_digests`.
    """
    with atomic_path(path) as temporary:
        yield temporary
        if os.environ.get(NOT_KEPT):
            return
        whole, blocks = hashlib.sha256(), []
        with temporary.open("rb") as file:
            while block := file.read(BLOCK):
                whole.update(block)
                if in_blocks:
                    blocks.append(hashlib.sha256(block).hexdigest())
        record: dict[str, Any] = {"sha256": whole.hexdigest(), "versions": made_with()}
        if in_blocks:
            record["blocks"] = blocks
        # before the file: killed in between, the file is as before or not there, and an error
        with atomic_path(record_path(path)) as beside:
            beside.write_text(json.dumps(record | {"seal": _seal(record)}) + "\n", encoding="utf-8")


def remove(path: Path | str) -> None:
    """Delete a file of this job, if it is there, and its record."""
    for file in (Path(path), record_path(path)):
        file.unlink(missing_ok=True)


def made_with() -> dict[str, list[str]]:
    """Return the versions, by library, of this process and of all that made what it has read."""
    found = noted()
    for name, version in versions.here().items():
        found[name] = sorted({*found.get(name, []), version})
    return dict(sorted(found.items()))


def noted() -> dict[str, list[str]]:
    """Return the versions, by library, of all that made what this process has read."""
    return {name: sorted(found) for name, found in sorted(_versions.items())}


def keep_no_records() -> None:
    """Let this process and its children write no records, and read files that have none."""
    os.environ[NOT_KEPT] = "1"


def record_of(path: Path | str, anew: Path | str | None = None) -> Record:
    """Return the record of a file, {} where none are kept.

    Args:
        path: of the file.
        anew: what to delete to have it made anew; the file itself, if not given.

    Raises:
        FaithcamError: if there is none, or it is no record.
    """
    if os.environ.get(NOT_KEPT):
        return {}
    beside = record_path(path)
    try:
        record: Record = json.loads(beside.read_text(encoding="utf-8"))
        rest = {name: part for name, part in record.items() if name != "seal"}
        if record.get("seal") == _seal(rest):
            return rest
        problem = "is damaged"
    except FileNotFoundError:
        problem = "is not there"
    except (*DAMAGED, AttributeError) as error:
        problem = f"cannot be read ({error})"
    raise FaithcamError(
        f"{path}: {beside.name} beside it, which says what the run wrote, {problem}; copies of "
        f"results need their hidden files, too; {remedy(path, anew)}"
    )


def digest(path: Path | str) -> str:
    """Return the sha256 of a file that this job wrote."""
    return record_of(path).get("sha256") or checksum(Path(path), "sha256")


def verified(path: Path | str, anew: Path | str | None = None) -> Path:
    """Return a file's path if it is what the run wrote; a process looks once at each.

    Args:
        path: of the file.
        anew: see :func:`record_of`.

    Raises:
        FaithcamError: if it is not there, or not what its record says.
    """
    path = Path(path)
    try:
        state = path.stat()
    except OSError as error:
        raise FaithcamError(
            f"{path}: cannot be read ({error.strerror}), expected a file of this run; run again"
        ) from None
    if path.is_dir():
        raise FaithcamError(
            f"{path}: a folder found, expected a file of this run; move the folder away and run "
            "again"
        )
    key = (str(path.absolute()), state.st_mtime_ns, state.st_size)
    if key not in _checked:
        record = record_of(path, anew)
        if record and (digest := checksum(path, "sha256")) != record["sha256"]:
            raise changed(path, digest, record["sha256"], anew)
        _checked[key] = record
        _note_versions(record)
    return path


def changed(
    path: Path | str, found: str, expected: str, anew: Path | str | None = None
) -> FaithcamError:
    """Return the error about a file that is not what the run wrote; arguments: the digests."""
    return FaithcamError(
        f"{path}: changed or damaged since the run wrote it: sha256 {found} found, {expected} "
        f"expected; {remedy(path, anew)}"
    )


def read_json(path: Path | str, anew: Path | str | None = None) -> Any:
    """Return the content of a JSON file of this run.

    Args:
        path: of the file.
        anew: see :func:`record_of`.

    Raises:
        FaithcamError: if it is not what the run wrote.
    """
    text = verified(path, anew).read_bytes()
    try:
        return json.loads(text)
    except ValueError as error:
        raise FaithcamError(
            f"{path}: cannot be read as JSON ({error}); {remedy(path, anew)}"
        ) from None


def block_digests(path: Path | str, anew: Path | str) -> list[str] | None:
    """Return the sha256 of each ``BLOCK`` of a file; None where no records are kept.

    Raises:
        FaithcamError: if its record has none.
    """
    record = record_of(path, anew)
    _note_versions(record)
    if not record:
        return None
    blocks = record.get("blocks")
    if not isinstance(blocks, list) or len(blocks) != -(-Path(path).stat().st_size // BLOCK):
        raise FaithcamError(
            f"{path}: {Path(path).stat().st_size} bytes found, which are not the blocks that "
            f"{record_path(path).name} lists; {remedy(path, anew)}"
        )
    return blocks


def set_aside(path: Path, digest: str) -> Path:
    """Rename a download that is not what it should be, which may be all that its owner has.

    Args:
        path: of the file.
        digest: its checksum, which the new name has: no other file is lost.

    Returns:
        Where it is now, beside its old place.
    """
    kept = path.with_name(f"{path.name}.wrong-{digest.split()[-1][:12]}")
    return path.replace(kept)


def discarded(
    path: Path, actual: str, expected: str, records: Iterable[Path | str]
) -> FaithcamError:
    """Set a download aside that is not whole, and delete its records: the next run downloads it.

    Args:
        path: of the download.
        actual: its checksum.
        expected: the right one.
        records: of the download.

    Returns:
        The error that says so.
    """
    for record in map(Path, records):
        remove(record)
    moved = f"it is now {set_aside(path, actual)}; " if path.exists() else ""
    return FaithcamError(
        f"{path}: {actual} found, {expected} expected; {moved}run again to download it"
    )


def remedy(path: Path | str, anew: Path | str | None = None) -> str:
    """Return what to do about a file of a run that is not as it should be."""
    return f"put back what was there, or delete {anew or path} and run again, which makes it anew"


def _note_versions(record: Record) -> None:
    for name, found in record.get("versions", {}).items():
        _versions.setdefault(name, set()).update(found)
