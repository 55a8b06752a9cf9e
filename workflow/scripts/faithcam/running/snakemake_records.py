"""Notes that Snakemake keeps in a working directory, beside the documented commands.

Verified with Snakemake 9.27.1; ``tests/running/test_snakemake_records.py`` runs the installed one
and fails where it keeps its notes differently.
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(".snakemake")
NAME_MAX = 255


def metadata(output: str) -> Path:
    """Return the file that says what an output was made from.

    Args:
        output: path as the rule declares it, relative to the working directory.
    """
    return _named("metadata", output)


def unfinished(outputs: Iterable[str]) -> list[str]:
    """Return those outputs that are being made, or are not whole since Snakemake was killed.

    A run writes down all that it is going to make, and takes it back when it ends.

    Args:
        outputs: paths as the rules declare them, relative to the working directory.
    """
    locks = (FOLDER / "locks").glob("*.output.lock")
    planned = {line for lock in locks for line in lock.read_text(encoding="utf-8").splitlines()}
    return [path for path in outputs if path in planned or _named("incomplete", path).exists()]


def times(output: str) -> tuple[float, float] | None:
    """Return when the job that made an output began and ended, in seconds; None if nothing says it.

    Args:
        output: path as the rule declares it, relative to the working directory.
    """
    try:
        record = json.loads(metadata(output).read_text(encoding="utf-8"))
        return float(record["starttime"]), float(record["endtime"])
    except (OSError, ValueError, TypeError, LookupError):
        return None


def outputs(summary: str) -> dict[str, str]:
    """Return what a run makes and, of what is missing or to be made again, why; else "".

    Args:
        summary: what ``snakemake --summary`` prints.
    """
    found = {}
    for line in summary.splitlines()[1:]:
        path, *_, status, plan = line.split("\t")
        if status == "ok":
            status = "" if plan == "no update" else plan
        found[path] = status
    return found


def is_locked(directory: Path) -> bool:
    """Return whether a Snakemake runs in a working directory, or was killed there."""
    return any((directory / FOLDER / "locks").glob("*.lock"))


def scripts(directory: Path) -> Path:
    """Return the folder that the scripts of a working directory's local jobs are started from."""
    return directory / FOLDER / "scripts"


def _named(kind: str, output: str) -> Path:
    """Return the file of an output: its path in base64, cut into folders named ``@...`` if long."""
    code = base64.urlsafe_b64encode(output.encode()).decode()
    *folders, last = [code[i : i + NAME_MAX - 1] for i in range(0, len(code), NAME_MAX - 1)]
    return Path(FOLDER, kind, *(f"@{part}" for part in folders), last)
