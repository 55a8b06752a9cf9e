"""A finished run as a Workflow Run RO-Crate: its files, the workflow, and what they are."""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.results.files import atomic_path
from faithcam.running.archive import prepare
from faithcam.running.crate_metadata import MAIN, describe
from faithcam.running.provenance import PACKAGE

ROOT = PACKAGE.parents[2]
# of the repository: what runs the workflow, and what may be done with it
WORKFLOW = (
    *(MAIN, "Makefile", "config.yaml", "config", "workflow", "profiles", "envs"),
    *("requirements.txt", "LICENSE", "CITATION.cff", "README.md"),
)


def crate(config: Mapping[str, Any], outputs: Iterable[str] = ()) -> str:
    """Write the crate of a finished run beside its folder: the same results give the same bytes.

    Args:
        config: the experiment's.
        outputs: see :func:`faithcam.running.archive.archive`.

    Returns:
        What was written, in a sentence.

    Raises:
        FaithcamError: if rocrate is not installed, and where an archive would be refused.
    """
    try:
        import rocrate.rocrate  # noqa: F401
    except ImportError:
        raise FaithcamError(
            "rocrate: not installed, but a crate is written with it; "
            ".venv/bin/python -m pip install -r requirements-crate.txt, then make crate again"
        ) from None
    if not (ROOT / MAIN).is_file():
        raise FaithcamError(
            f"{ROOT / MAIN}: not there, expected the workflow, which a crate holds; run it in a "
            "clone of the repository"
        )
    members, date = prepare(config, outputs)
    folder = Path(config["results"])
    target = folder.parent / f"{folder.name}.crate.zip"
    parts = {path.relative_to(ROOT).as_posix(): path for path in _workflow()}
    parts |= {path.as_posix(): path for path in members}
    metadata = describe(folder, parts, date)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        text = json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False)
        archive.writestr(_entry("ro-crate-metadata.json"), text + "\n")
        for name, path in sorted(parts.items()):
            with path.open("rb") as file, archive.open(_entry(name), "w", force_zip64=True) as into:
                while block := file.read(2**20):
                    into.write(block)
    return (
        f"{target}: {len(parts)} files and ro-crate-metadata.json, "
        f"{target.stat().st_size / 1e6:.1f} MB"
    )


def _workflow() -> Iterator[Path]:
    """Yield all files of the repository that run the workflow, or say what may be done with it.

    Where git knows the repository, those that it tracks: what else lies there is the user's own.
    """
    for name in _tracked() if (ROOT / ".git").exists() else _there():
        path = ROOT / name
        parts = Path(name).parts
        if path.is_file() and not any(n.startswith(".") or n == "__pycache__" for n in parts):
            yield path


def _tracked() -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *WORKFLOW]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        raise FaithcamError(
            f"{ROOT}: git does not say which files are the repository's ({told}); a crate holds "
            "no others: mend that, then make crate again"
        ) from None
    return sorted(map(os.fsdecode, filter(None, listed.split(b"\0"))))


def _there() -> Iterator[str]:
    for name in WORKFLOW:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            yield path.relative_to(ROOT).as_posix()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # of 1980: the same files give the same bytes
    entry.external_attr = 0o644 << 16
    return entry
