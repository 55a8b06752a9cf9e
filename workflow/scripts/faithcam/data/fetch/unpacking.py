"""Unpack an archive whole or not at all, and nothing of it outside its folder.

What was unpacked to ``FOLDER`` stands in ``FOLDER.files.json``, JSON: the sha256 of each file.
"""

import hashlib
import json
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from faithcam.core.errors import DAMAGED, FaithcamError, reason
from faithcam.results.checksums import checksum
from faithcam.results.files import changed, read_json, recorded, remedy

BLOCK = 1 << 20  # bytes copied at once
# Images hardly shrink in an archive, tables by ten. What grows more would fill the disk alone.
GROWTH = 20  # bytes unpacked per byte of the archive, at most
SPARE = 64 << 20  # bytes that any archive may hold beside
FILES = 2_000_000  # files and folders


class _RefusedError(Exception):
    """Why a member must not be unpacked."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive (compressed or not) to ``folder``, or check what is there.

    Everything is written beside ``folder`` first, which appears with the last file in it.

    Args:
        archive: the file.
        folder: where to.

    Raises:
        FaithcamError: for a member whose path is absolute or leads out of the folder, for links,
            devices and encrypted files, for more than GROWTH times the archive's bytes (and SPARE)
            or FILES members, for a broken archive, if the disk is full, and if a file that is there
            is not what was unpacked.
    """
    from filelock import FileLock

    # beside it and not in a temporary folder: jobs on other machines may want the same
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            _check_files(folder)
        else:
            _unpack(archive, folder)


def _listing(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.files.json")


def _check_files(folder: Path) -> None:
    """Raise FaithcamError unless what was unpacked is there as it was; so may be other files."""
    if not (listing := _listing(folder)).is_file():
        raise FaithcamError(
            f"{listing}: not there, expected the list of what was unpacked; "
            f"{remedy(listing, folder)}"
        )
    for name, expected in read_json(listing, folder).items():
        path = folder / name
        found = checksum(path, "sha256") if path.is_file() else "of no file"
        if found != expected:
            raise changed(path, found, expected, folder)


def _unpack(archive: Path, folder: Path) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a killed process
    part.mkdir(parents=True)
    try:
        members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
        room = GROWTH * archive.stat().st_size + SPARE
        digests = {}
        for name, content in members:
            target = part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                digest, size = _copied(content, file, room)
            digests[target.relative_to(part).as_posix()] = digest
            room -= size
        with recorded(_listing(folder)) as listing:
            listing.write_text(json.dumps(digests, indent=0), encoding="utf-8")
        part.rename(folder)
    except _RefusedError as error:
        raise FaithcamError(
            f"{archive}: {error}; expected files and folders inside the archive alone, {GROWTH} "
            "times its bytes at most, so nothing was unpacked: get it from its publisher"
        ) from error
    except DAMAGED as error:
        raise FaithcamError(
            f"{archive}: cannot be unpacked to {folder} ({reason(error)}); expected a whole zip or "
            "tar, and room for its files: make room, or put a whole archive in its place"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copied(content: IO[bytes], file: IO[bytes], room: int) -> tuple[str, int]:
    """Copy a member, return its sha256 and bytes; what a header says of them is not believed."""
    digest, size = hashlib.sha256(), 0
    while block := content.read(BLOCK):
        size += len(block)
        if size > room:
            raise _RefusedError(f"its files take more than {GROWTH} times its bytes")
        digest.update(block)
        file.write(block)
    return digest.hexdigest(), size


def _check(name: str) -> None:
    """Raise _RefusedError if a member's name leads out of the folder it is unpacked to."""
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or "\\" in name or drive:
        raise _RefusedError(f"member {name!r} leads out of the archive's folder")


def _check_number(members: int) -> None:
    if members > FILES:
        raise _RefusedError(f"it has more than {FILES:,} files")


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        _check_number(len(members))
        for member in members:  # before anything is written
            _check(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _RefusedError(f"member {member.filename!r} is a link or a device")
            if member.flag_bits & 1:
                raise _RefusedError(f"member {member.filename!r} is encrypted")
        for member in members:
            if not member.is_dir():
                with file.open(member) as content:
                    yield member.filename, content


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as file:
        for number, member in enumerate(file, 1):
            _check_number(number)
            _check(member.name)
            content = file.extractfile(member) if member.isreg() else None
            if content:
                yield member.name, content
            elif not member.isdir():
                raise _RefusedError(f"member {member.name!r} is a link or a device")
        # to the end: there stands the checksum of what was compressed
        while file.fileobj and file.fileobj.read(BLOCK):
            pass
