"""Figures of an experiment, and data sets with controls to judge metrics by.

Importing this module does not import torch, so that jobs can be planned.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from faithcam.data.definitions import is_planted

# metrics whose truth is known, of which controls are made
CONTROLS = (
    "feature_aopc", "agreement", "dose_response", "damage_ladder", "convergence", "multiverse",
)  # fmt: skip
OF_METRICS = ("dose_response", "damage_ladder", "multiverse")


def is_judged(config: Mapping[str, Any], dataset: str) -> bool:
    """Return whether there are controls on a data set."""
    return "sham" in config.get("controls", ()) or bool(set(CONTROLS) & set(_of(config, dataset)))


def has_part_shapley(config: Mapping[str, Any], dataset: str) -> bool:
    """Return whether the contributions of the parts of a data set's images are asked for."""
    wanted = "agreement" in _of(config, dataset)
    return wanted and is_planted(config["dataset_definitions"][dataset])


def metric_figures(metrics: Iterable[str]) -> list[str]:
    """Return the figures of a data set with these metrics, but for those of its controls."""
    of_metric = {"aopc": "aopc_curves", "max_sensitivity": "max_sensitivity", "haas": "haas"}
    chosen = [of_metric[metric] for metric in metrics if metric in of_metric]
    paired = ["paired_differences"] if chosen else []
    return ["examples", "completeness", *paired, *chosen, "scoreboard"]


def figures(config: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the figures of a data set's controls."""
    if not is_judged(config, dataset):
        return []
    sham = ["sham"] if "sham" in config.get("controls", ()) else []
    return ["decision", *sham, *(name for name in OF_METRICS if name in _of(config, dataset))]


def _of(config: Mapping[str, Any], dataset: str) -> list[str]:
    metrics: list[str] = config["dataset_definitions"][dataset].get("metrics", config["metrics"])
    return metrics
