"""Every metric by name: the files ``*_spec.py`` of all families, and of plugins.

Importing this module does not import torch, so that a config can be checked before any job.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from faithcam.core.errors import FaithcamError, unknown
from faithcam.core.plugins import SPEC
from faithcam.core.registry import Registry
from faithcam.metrics.evaluation import Evaluation, Protocol, Role
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

METRICS = Registry(
    "faithcam.metrics",
    "METRIC",
    Metric,
    "every file *_spec.py there is the spec of a metric: mend it or take it away",
    suffix=SPEC,
)


def spec_file(metric: str) -> Path:
    """Return the file of a metric's spec."""
    return METRICS.declared[metric].file


def code_file(metric: str) -> Path:
    """Return the file of a metric's formulas.

    Raises:
        FaithcamError: if there is none.
    """
    spec = spec_file(metric)
    path = spec.with_name(f"{metric}.py")
    if not path.is_file():
        raise FaithcamError(
            f"{path}: no such file, but {spec} declares METRIC; write the function "
            "score(inputs, evaluations) there"
        )
    return path


def module(metric: str) -> str:
    """Return the name of the module of a metric's formulas."""
    return METRICS.declared[metric].module.__name__.removesuffix(SPEC)


def check(metrics: list[str], key: str = "metrics") -> None:
    """Raise FaithcamError naming the first unknown metric and the config's key it stands in."""
    for name in metrics:
        if name not in METRICS:
            there = [f"; {path} has no {name}{SPEC}.py beside it" for path in _files(name)]
            raise FaithcamError(f"{key}: {unknown(name, METRICS)}{''.join(there)}")


def _files(name: str) -> list[Path]:
    return sorted(Path(__file__).parent.glob(f"*/{name}.py"))


def evaluations(config: Mapping[str, Any], metric: str, network: NetworkSpec) -> list[Evaluation]:
    """Return all evaluations of a metric on a network.

    Raises:
        FaithcamError: if the metric declares none, one twice, or one of another metric.
    """
    declared = list(METRICS[metric].evaluations(config, network))
    keys = set()
    for evaluation in declared:
        key = (evaluation.protocol, evaluation.setting)
        for name, choices in (("role", get_args(Role)), ("protocol", get_args(Protocol))):
            if (value := getattr(evaluation, name)) not in choices:
                raise FaithcamError(
                    f"{metric}{SPEC}.py: {name} {value!r} found, expected one of "
                    f"{', '.join(choices)}"
                )
        if evaluation.metric != metric or key in keys:
            what = "of another metric" if evaluation.metric != metric else "declared twice"
            raise FaithcamError(
                f"{metric}{SPEC}.py: evaluation {evaluation.metric}, {evaluation.protocol}, "
                f"{evaluation.setting}: {what}; expected each once, of {metric}"
            )
        keys.add(key)
    return declared
