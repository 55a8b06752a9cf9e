"""A collection's downloads: where they are, whether they are whole, and unpacked."""

from collections.abc import Iterable
from pathlib import Path

from faithcam.core.errors import FaithcamError
from faithcam.data.collection import Collection, File
from faithcam.data.fetch.unpacking import unpack
from faithcam.results.checksums import checksum
from faithcam.results.files import discarded

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def note_of(path: Path) -> Path:
    """Return where the checksum of a first download is written down."""
    return path.with_name(f"{path.name}.sha256")


def expected_of(file: File, folder: Path) -> tuple[str, str]:
    """Return algorithm and checksum that a file must have; "" if nothing is known of it yet."""
    if file.md5:
        return "md5", file.md5
    note = note_of(folder / file.name)
    if file.url and note.is_file():
        return "sha256", note.read_text(encoding="utf-8").split(maxsplit=1)[0]
    return "sha256", ""


def places(
    collection: Collection, folder: Path, records: Iterable[Path | str] = ()
) -> dict[str, Path]:
    """Return where a collection's files are, after their checksums, and unpack its archives.

    A downloaded file that is not whole is set aside and its records are deleted, so that the next
    run downloads it again; a file that the user brought is left alone.

    Args:
        collection: which one.
        folder: of its downloads.
        records: of the download.

    Raises:
        FaithcamError: if a file is missing, has another checksum or cannot be unpacked.
    """
    paths = {}
    for file in collection.files:
        path = folder / file.name
        algorithm, expected = expected_of(file, folder)
        digest = checksum(path, algorithm) if path.is_file() else "no file"
        if digest == "no file" or not digest.startswith(expected):
            if not file.url:
                raise FaithcamError(f"{path}: no such file; {file.bring}")
            raise discarded(path, digest, f"{algorithm} {expected or 'of any file'}", records)
        paths[file.name] = path
        if file.name.endswith(ARCHIVES):
            # named by its content: another file is unpacked anew
            paths[file.name] = folder / f"{file.name}-{digest[:12]}"
            unpack(path, paths[file.name])
    return paths
