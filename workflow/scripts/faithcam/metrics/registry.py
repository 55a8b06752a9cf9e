"""Every metric by name: the specs of ``faithcam.metrics.specs``.

Importing this module does not import torch, so that a config can be checked before any job.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faithcam.core.errors import FaithcamError, unknown
from faithcam.core.plugins import collect
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

FOLDER = Path(__file__).parent
_DECLARED = collect(
    "faithcam.metrics.specs",
    "METRIC",
    Metric,
    "every file there is the spec of a metric: mend it or take it away",
)
METRICS = {name: declared.value for name, declared in _DECLARED.items()}


def spec_file(metric: str) -> Path:
    """Return the file of a metric's spec."""
    return _DECLARED[metric].file


def code_file(metric: str) -> Path:
    """Return the file of a metric's formulas.

    Raises:
        FaithcamError: if there is none.
    """
    path = FOLDER / f"{metric}.py"
    if not path.is_file():
        raise FaithcamError(
            f"{path}: no such file, but {FOLDER / 'specs' / path.name} declares METRIC; write the "
            "function score(inputs, evaluations) there"
        )
    return path


def check(metrics: list[str], key: str = "metrics") -> None:
    """Raise FaithcamError naming the first unknown metric and the config's key it stands in."""
    for name in metrics:
        if name not in METRICS:
            hint = f"; {FOLDER / 'specs' / name}.py declares no METRIC"
            there = (FOLDER / f"{name}.py").is_file()
            raise FaithcamError(f"{key}: {unknown(name, METRICS)}{hint if there else ''}")


def evaluations(config: Mapping[str, Any], metric: str, network: NetworkSpec) -> list[Evaluation]:
    """Return all evaluations of a metric on a network.

    Raises:
        FaithcamError: if the metric declares none, one twice, or one of another metric.
    """
    declared = list(METRICS[metric].evaluations(config, network))
    where = FOLDER / "specs" / f"{metric}.py"
    keys = set()
    for evaluation in declared:
        key = (evaluation.protocol, evaluation.setting)
        if evaluation.metric != metric or key in keys:
            what = "of another metric" if evaluation.metric != metric else "declared twice"
            raise FaithcamError(
                f"{where}: evaluation {evaluation.metric}, {evaluation.protocol}, "
                f"{evaluation.setting}: {what}; expected each once, of {metric}"
            )
        keys.add(key)
    return declared
