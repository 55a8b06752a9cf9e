"""The manifest of a finished run: which files belong to it, and whether they are as it says."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from faithcam.core.errors import FaithcamError
from faithcam.results.checksums import checksum
from faithcam.results.files import is_record

MANIFEST = "manifest.sha256"
# the default experiment's folder may hold other experiments' folders, which are not part of it
FOLDERS = (
    *("concordance", "data", "figures", "logs", "maps", "metrics", "models", "networks"),
    *("runtime", "truth"),
)


@dataclass
class Verification:
    """State of the files of a manifest.

    Args:
        whole: number of files that are as the manifest says.
        problems: one sentence per file that is not.
        leftovers: half-written files of killed jobs, which no rule reads.
    """

    whole: int = 0
    problems: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


def verify(results: str) -> Verification:
    """Check every file of a run against its manifest.

    Raises:
        FaithcamError: if there is no manifest, or it cannot be read.
    """
    folder = Path(results)
    expected = read(folder / MANIFEST)
    names, leftovers = listing(folder)
    verification = Verification(leftovers=[f"{folder / name}" for name in leftovers])
    for name in sorted({*expected, *names}):
        path = folder / name
        if name not in names:
            verification.problems.append(f"{path}: missing")
        elif not is_plain(path):
            verification.problems.append(f"{path}: a link or device, expected a file")
        elif name not in expected:
            verification.problems.append(f"{path}: not listed")
        elif (digest := checksum(path, "sha256")) != expected[name]:
            verification.problems.append(
                f"{path}: changed, sha256 {digest} found, {expected[name]} expected"
            )
        else:
            verification.whole += 1
    return verification


def listing(folder: Path) -> tuple[list[str], list[str]]:
    """Return a run's files relative to its folder, sorted, and the half-written ones beside them.

    Links are named like files. Hidden files but records, the manifest itself, other experiments'
    folders and archives are no part of a run.
    """
    names, leftovers = [], []
    for top, folders, files in os.walk(folder, onerror=_fail):
        here = Path(top)
        folders[:] = [name for name in folders if not name.startswith(".")]
        if here == folder:
            folders[:] = [name for name in folders if name in FOLDERS]
            files = [name for name in files if name != MANIFEST and not name.endswith(".tar")]
        links = [name for name in folders if (here / name).is_symlink()]
        for name in [*files, *links]:
            relative = (here / name).relative_to(folder).as_posix()
            if not name.startswith(".") or is_record(name):
                names.append(relative)
            elif name.endswith(".part"):
                leftovers.append(relative)
    return sorted(names), sorted(leftovers)


def text(folder: Path, names: Iterable[str]) -> str:
    """Return the manifest of a folder's files, in the format of ``sha256sum``."""
    digests = {name: checksum(folder / name, "sha256") for name in names}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def told(results: str, verification: Verification) -> bool:
    """Print the outcome of a verification; return whether all files are whole."""
    for path in verification.leftovers:
        print(f"{path}: left by a killed job, no part of the run; delete it")
    for problem in verification.problems:
        print(problem)
    print(f"{results}: {verification.whole} files are whole, {len(verification.problems)} are not")
    return not verification.problems


def read(path: Path) -> dict[str, str]:
    """Return the sha256 of each file of a manifest in the format of ``sha256sum``.

    Raises:
        FaithcamError: if there is no such file, or a line of it is not ``sha256  name``.
    """
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        raise FaithcamError(
            f"{path}: not there, expected the hashes that `make archive` writes; run it for a "
            "finished run, or unpack the run's archive again"
        ) from None
    entries = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if not match:
            raise FaithcamError(
                f"{path}: line {number} is {line!r}, expected `sha256  name`; unpack the archive "
                "again, or run `make archive` again"
            )
        if match[2] in entries:
            raise FaithcamError(
                f"{path}: line {number} names {match[2]} again; expected each file once; unpack "
                "the archive again, or run `make archive` again"
            )
        entries[match[2]] = match[1]
    return entries


def _fail(error: OSError) -> NoReturn:
    raise error


def is_plain(path: Path) -> bool:
    """Return whether a path is a file itself, no link or device."""
    return path.is_file() and not path.is_symlink()
