"""Every metric by name: the files of this folder that declare a ``METRIC``.

Importing this module does not import torch, so that a config can be checked before any job: of a
metric's file only the facts are evaluated, with what they use.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from faithcam.errors import FaithcamError, unknown
from faithcam.metrics.facts import Metric

FOLDER = Path(__file__).parent


def _names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top of a file defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def declared(path: Path) -> Metric | None:
    """Return the facts that a file declares, or None if it is no metric's.

    Of the file, ``METRIC`` and the imports, constants and functions that it is made of are
    evaluated, and nothing else.

    Raises:
        FaithcamError: if ``METRIC`` cannot be evaluated or ``score_shard`` is missing.
    """
    text = path.read_text(encoding="utf-8")
    if "METRIC" not in text:
        return None
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise FaithcamError(f"{path}: no Python: {error}; correct it") from None
    defined = {name: statement for statement in tree.body for name in _names(statement)}
    if "METRIC" not in defined:
        return None
    if "score_shard" not in defined:
        raise FaithcamError(
            f"{path}: METRIC found, but no function score_shard(shard, maps, settings); define it"
        )
    needed: set[ast.stmt] = set()
    waiting = ["METRIC"]
    while waiting:
        statement = defined.get(waiting.pop())
        if statement is not None and statement not in needed:
            needed.add(statement)
            waiting += [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
    tree.body = [statement for statement in tree.body if statement in needed]
    found: dict[str, Any] = {"__name__": f"faithcam.metrics.{path.stem}"}
    try:
        exec(compile(tree, str(path), "exec"), found)
    except Exception as error:
        raise FaithcamError(f"{path}: METRIC cannot be evaluated: {error}") from error
    metric = found["METRIC"]
    if not isinstance(metric, Metric):
        raise FaithcamError(
            f"{path}: METRIC is {type(metric).__name__}, expected Metric(title, ...) of "
            "faithcam.metrics.facts"
        )
    return metric


def file(metric: str) -> Path:
    """Return the file of a metric."""
    return FOLDER / f"{metric}.py"


METRICS = {
    path.stem: metric
    for path in sorted(FOLDER.glob("*.py"))
    if (metric := declared(path)) is not None
}


def facts(config: Mapping[str, Any], metrics: list[str]) -> dict[str, dict[str, Any]]:
    """Return the plain facts of some metrics, for jobs that compare or show them."""
    return {
        name: {
            **{
                field.name: value
                for field in fields(Metric)
                if not callable(value := getattr(METRICS[name], field.name))
            },
            "primary": METRICS[name].primary_setting(config),
        }
        for name in metrics
    }


def check(metrics: list[str], key: str = "metrics") -> None:
    """Raise FaithcamError naming the first unknown metric and the config's key it stands in."""
    for name in metrics:
        if name not in METRICS:
            hint = f"; {file(name)} declares no METRIC"
            raise FaithcamError(
                f"{key}: {unknown(name, METRICS)}{hint if file(name).is_file() else ''}"
            )


def supported(config: Mapping[str, Any], dataset: str, architecture: str, head: str) -> list[str]:
    """Return the configured metrics that apply to a network on a data set."""
    definition = config["dataset_definitions"][dataset]
    return [
        name
        for name in definition.get("metrics", config["metrics"])
        if METRICS[name].supports(definition, architecture, head)[0]
    ]
