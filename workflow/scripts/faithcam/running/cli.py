"""The entries of ``python -m faithcam``: what there is, merge, leaderboard and verify."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from faithcam.core import extras
from faithcam.core.errors import FaithcamError


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for, print the outcome, and return the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        with extras.named():
            return int(chosen.do(chosen))
    except (FaithcamError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m faithcam",
        description="Without arguments: print what there is. With them: work on finished runs.",
    )
    parser.set_defaults(do=_overview)
    commands = parser.add_subparsers(metavar="COMMAND")
    merging = commands.add_parser(
        "merge", help="several results folders as one", description="Make one results folder, with "
        "one report, of several: other seeds or data sets of one experiment.",
    )  # fmt: skip
    merging.add_argument("folders", nargs="+", metavar="[NAME=]FOLDER", help="results of a run")
    merging.add_argument("--into", required=True, type=Path, metavar="FOLDER", help="to be made")
    merging.set_defaults(do=_merge)
    board = commands.add_parser("leaderboard", help="the leaderboards of a run as a small page")
    board.add_argument("folder", type=Path, help="results of a run, merged or not")
    board.add_argument("--to", required=True, type=Path, metavar="FILE", help="HTML to write")
    board.set_defaults(do=_leaderboard)
    verifying = commands.add_parser("verify", help="check the files of a merged or archived run")
    verifying.add_argument("folder", type=Path, help="with a manifest.sha256")
    verifying.set_defaults(do=_verify)
    return parser


def _overview(_: argparse.Namespace) -> int:
    from faithcam.running.overview import overview

    print(overview())
    return 0


def _merge(chosen: argparse.Namespace) -> int:
    from faithcam.running import ending
    from faithcam.running.merging.merge import merge

    ending.show(merge([_named(text) for text in chosen.folders], chosen.into).path)
    return 0


def _named(text: str) -> tuple[str, Path]:
    """Return the name and the path of a folder that is given as NAME=FOLDER, or FOLDER."""
    name, sign, path = text.partition("=")
    if sign and not Path(text).exists():
        return name, Path(path)
    return Path(text).resolve().name, Path(text)


def _leaderboard(chosen: argparse.Namespace) -> int:
    from faithcam.running import leaderboard

    leaderboard.write(chosen.folder, chosen.to)
    print(f"Leaderboards: {chosen.to.resolve()}")
    return 0


def _verify(chosen: argparse.Namespace) -> int:
    from faithcam.running import manifest

    folder = str(chosen.folder)
    return 0 if manifest.told(folder, manifest.verify(folder)) else 1
