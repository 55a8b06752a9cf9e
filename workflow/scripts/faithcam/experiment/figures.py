"""The figures of an experiment, by data set.

Importing this module does not import torch or matplotlib, so that jobs can be planned.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from faithcam.experiment import axes

# of metrics that have a figure of their own in place of a comparison
OF_METRICS = ("dose_response", "damage_ladder", "multiverse")
OF_CONTROLS = ("sham", *OF_METRICS)


def of_metrics(metrics: Iterable[str]) -> list[str]:
    """Return the figures of a data set with these metrics, but for those of its controls."""
    of_metric = {"aopc": "aopc_curves", "max_sensitivity": "max_sensitivity", "haas": "haas"}
    chosen = [of_metric[metric] for metric in metrics if metric in of_metric]
    paired = ["paired_differences"] if chosen else []
    return ["examples", "completeness", *paired, *chosen, "scoreboard"]


def of_controls(config: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the figures of a data set's controls; none where there are none."""
    there = axes.of_dataset(config, dataset, "metrics")
    sham = ["sham"] if "sham" in config.get("controls", ()) else []
    return [*sham, *(name for name in OF_METRICS if name in there)]
