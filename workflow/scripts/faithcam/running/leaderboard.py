"""The page of leaderboards of any finished run, merged or not."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.experiment import datasets
from faithcam.report import leaderboard
from faithcam.report.first_screen import Truths
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.results.files import read_json
from faithcam.running import placement

TRUTHS = ("agreement", "concordance", "validity", "truth_admission")


def write(folder: Path, path: Path) -> None:
    """Write the leaderboards of a results folder.

    Args:
        folder: of a finished run.
        path: HTML file to write.

    Raises:
        FaithcamError: if it is no finished run of this version, or a table of it is damaged.
    """
    if path.suffix != ".html":
        raise FaithcamError(f"{path}: expected the name of an HTML page, such as leaderboard.html")
    if not (folder / "provenance.json").is_file():
        raise FaithcamError(
            f"{folder}: provenance.json not found, expected the results folder of a finished run"
        )
    placement.check_version(folder)
    record = read_json(folder / "provenance.json")
    if not isinstance(record, Mapping) or not {"config", "networks"} <= {*record}:
        raise FaithcamError(
            f"{folder / 'provenance.json'}: no config and networks found, expected what a run "
            "writes; run again where it was made"
        )
    truths = Truths.of(*(tables.read(folder / f"{name}.parquet") for name in TRUTHS))
    leaderboard.write(
        path,
        truths,
        tables.read(folder / "models.parquet"),
        Evaluations(tables.read(folder / "evaluations.parquet")),
        settings(record["config"], record["networks"]),
        record,
        faithcam.__version__,
        tables.read(folder / "completeness.parquet", filters=pc.field("head") == "other"),
    )


def settings(
    config: Mapping[str, Any], networks: Iterable[tuple[str, str, str, int]]
) -> dict[str, Any]:
    """Return a config with what the report needs beside it.

    Args:
        config: the experiment's.
        networks: that were asked for.
    """
    return {
        **config,
        "data": datasets.specs(config),
        "plan": datasets.plan(config, networks),
    }
