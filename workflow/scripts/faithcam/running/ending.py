"""The end of a run on the terminal: the report's path, and its answer."""

import os
import sys
from pathlib import Path

from faithcam.core.errors import FaithcamError
from faithcam.experiment import config as experiment
from faithcam.results.files import verified

BOLD, PLAIN = "\033[1m", "\033[0m"


def main(files: list[str]) -> int:
    """Print the end of a run.

    Args:
        files: config files, each merged over those before.

    Returns:
        The exit code.
    """
    try:
        show(Path(experiment.read(files)["results"]))
    except FaithcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def show(folder: Path) -> None:
    """Print where the report of a results folder is, and its answer."""
    answer = verified(folder / "answer.txt").read_text(encoding="utf-8")
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"\nReport: {(folder / 'report.html').absolute()}\n")
    print(emphasised(answer) if colours else answer, end="")


def emphasised(answer: str) -> str:
    """Return an answer with its headings, the first lines of its parts, in bold."""
    parts = [part.split("\n", 1) for part in answer.split("\n\n")]
    return "\n\n".join(
        "\n".join([f"{BOLD}{part[0]}{PLAIN}", *part[1:]]) if len(part) > 1 else part[0]
        for part in parts
    )
