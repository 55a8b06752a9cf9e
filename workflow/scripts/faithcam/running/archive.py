"""A finished run as one file that can be moved and checked: manifest, environment, archive.

``manifest.sha256``, ``environment.txt`` and ``config.yaml`` are written into the results folder.
The archive beside it holds that folder and what Snakemake knows of its files, under paths relative
to the working directory: unpacked in a clone of the repository, nothing needs to run.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from faithcam.core.errors import FaithcamError
from faithcam.experiment import config as experiment
from faithcam.results.files import atomic_path, read_json, record_path, verified
from faithcam.running import manifest, snakemake_records
from faithcam.running.manifest import MANIFEST, is_plain, listing, verify

ENVIRONMENT = "environment.txt"
CONFIG = "config.yaml"
FINISHED = ("provenance.json", "report.html")
PLACES = ("results", "resources", "container", "incomplete")  # keys that no result depends on


def archive(config: Mapping[str, Any], outputs: Iterable[str] = ()) -> str:
    """Write config, manifest, environment and archive of a finished run.

    The same results give the same bytes.

    Args:
        config: the experiment's; its ``results`` is a folder inside the working directory.
        outputs: all files that the run has made, with a record beside each.

    Returns:
        What was written, in a sentence.

    Raises:
        FaithcamError: if the run is not finished or being made, a file is not what was written, or
            its folder holds links, or names that a manifest cannot hold.
    """
    folder = Path(config["results"])
    files, _ = prepare(config, outputs)
    records = [snakemake_records.metadata(path.as_posix()) for path in files]
    records = sorted(path for path in records if path.exists())
    target = folder.parent / f"{folder.name}.tar"
    _pack([*files, *records], target)
    return (
        f"{target}: {len(files)} files, {len(records)} of Snakemake's records, "
        f"{target.stat().st_size / 1e6:.1f} MB; unpacked in a clone of the repository "
        f"(tar -xf {target.name}), nothing needs to run with CONFIG={folder / CONFIG}"
    )


def prepare(config: Mapping[str, Any], outputs: Iterable[str] = ()) -> tuple[list[Path], int]:
    """Write config, manifest and environment of a finished run into its folder.

    Args:
        config: see :func:`archive`.
        outputs: see there.

    Returns:
        All its files, and when its report was written, in nanoseconds.

    Raises:
        FaithcamError: see there.
    """
    results = config["results"]
    folder = Path(results)
    if folder.is_absolute() or ".." in folder.parts or not folder.name:
        raise FaithcamError(
            f"results: {results} found, expected a folder inside the working directory, since an "
            "archive holds paths relative to it; start Snakemake with --directory there"
        )
    if missing := [name for name in FINISHED if not (folder / name).is_file()]:
        raise FaithcamError(
            f"{results}: {' and '.join(missing)} not found, expected a finished run; run it, or "
            "`make report` for what is there, then archive"
        )
    names, _ = listing(folder)
    _check_files(folder, names)
    _check_not_being_made(f"{results}/{name}" for name in names)
    with_record = (folder / name for name in names if record_path(folder / name).exists())
    _check_whole({*map(Path, outputs), *with_record})
    record = read_json(folder / "provenance.json")
    _check_config(config, record["config"], folder)
    # dated like the report, or archives of the same results would differ
    date = (folder / "report.html").stat().st_mtime_ns
    _write(folder / ENVIRONMENT, environment(record), date)
    _write(folder / CONFIG, yaml.safe_dump(experiment.ordered(config)), date)
    names = sorted({*names, ENVIRONMENT, CONFIG})
    _write(folder / MANIFEST, manifest.text(folder, names), date)
    return [folder / name for name in sorted([*names, MANIFEST])], date


def environment(record: Mapping[str, Any]) -> str:
    """Return the installed packages with versions, in the format of requirements.txt.

    Args:
        record: the run's provenance.json; where it names other versions, a comment says so.
    """
    packages: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        if name := package.metadata["Name"]:
            packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), package.version)
    here = {"python": platform.python_version(), **packages}
    run = {"python": record["python"], **record["libraries"]}
    differences = [
        f"# in the run, by provenance.json: {name} {version}, not {installed}"
        for name, version in sorted(run.items())
        if (installed := here.get(name, "not installed")) != version
    ]
    lines = [
        "# The environment in which this run was archived.",
        f"# python {platform.python_version()}, {platform.platform()}",
        *differences,
        *(f"{name}=={version}" for name, version in sorted(packages.items())),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str], outputs: Iterable[str] = ()) -> int:
    """Archive, pack or verify the run of a config, print the outcome, and return the exit code.

    Args:
        arguments: what to do and config files.
        outputs: see :func:`archive`.
    """
    parser = argparse.ArgumentParser(description="Archive a finished run, or verify its files.")
    parser.add_argument("action", choices=["archive", "crate", "verify"])
    parser.add_argument("config", nargs="+", help="config files, merged in this order")
    chosen = parser.parse_args(arguments)
    try:
        config = experiment.read(chosen.config)
        results = config["results"]
        if chosen.action == "archive":
            print(archive(config, outputs))
            return 0
        if chosen.action == "crate":
            from faithcam.running.crate import crate

            print(crate(config, outputs))
            return 0
        verification = verify(results)
    except (FaithcamError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if manifest.told(results, verification):
        return 0
    print(
        "error: these are not the archived results; unpack the archive again. If you "
        "changed them on purpose, run `make archive` again",
        file=sys.stderr,
    )
    return 1


def _check_config(config: Mapping[str, Any], made: Mapping[str, Any], folder: Path) -> None:
    """Raise FaithcamError if a run was made with another config."""
    keys = sorted({*config, *made} - {*PLACES})
    here, there = (json.loads(json.dumps(experiment.ordered(each))) for each in (config, made))
    if others := [key for key in keys if here.get(key) != there.get(key)]:
        raise FaithcamError(
            f"{folder / 'provenance.json'}: the run was made with other values of "
            f"{', '.join(others)} than the config has; give the config files that it was run with, "
            "or run again, then archive"
        )


def _check_whole(paths: Iterable[Path]) -> None:
    wrong = []
    for path in sorted(paths):
        try:
            verified(path)
        except FaithcamError as error:
            wrong.append(str(error))
    if wrong:
        few = [*wrong[:5], f"and {len(wrong) - 5} more"][: len(wrong)]
        raise FaithcamError(
            "\n  ".join(few) + "\n  Where Snakemake then says that nothing is to be done, name the "
            "file: `snakemake --cores 1 --configfile FILES -- FILE`"
        )


def _check_not_being_made(files: Iterable[str]) -> None:
    for file in snakemake_records.unfinished(files):
        raise FaithcamError(
            f"{file}: being made by Snakemake, or not whole because it was killed; wait for it, or "
            "run again, then archive"
        )


def _check_files(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        if not is_plain(folder / name):
            raise FaithcamError(
                f"{folder / name}: a link or device found, expected a file: an archive follows no "
                "links; put what it points to in its place"
            )
        if not name.isprintable() or "\\" in name:
            raise FaithcamError(
                f"{str(folder / name)!r}: a line break, backslash or unprintable character found, "
                "which a name in a manifest cannot have; rename or delete the file"
            )


def _write(path: Path, text: str, date: int) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    os.utime(path, ns=(date, date))


def _pack(files: Iterable[Path], target: Path) -> None:
    with (
        atomic_path(target) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files:
            state = path.stat()
            entry = tarfile.TarInfo(path.as_posix())
            entry.size, entry.mode = state.st_size, 0o644
            # Snakemake compares times of change, so nothing of them may be lost
            entry.mtime, nanoseconds = divmod(state.st_mtime_ns, 10**9)
            entry.pax_headers = {"mtime": f"{entry.mtime}.{nanoseconds:09d}"}
            with path.open("rb") as file:
                tar.addfile(entry, file)
