"""The figures of an experiment, by data set.

Importing this module does not import torch or matplotlib, so that jobs can be planned.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from faithcam.experiment import axes
from faithcam.experiment.evaluations import Plan
from faithcam.metrics import registry

# of metrics that have a figure of their own in place of a comparison
OF_METRICS = ("dose_response", "damage_ladder", "multiverse")
OF_CONTROLS = ("sham", *OF_METRICS)
OF_AGREEMENT = ("map_leaderboard", "agreement_cost")
OF_CONCORDANCE = ("metric_leaderboard", "concordance_by_gap", "concordance_cost")
MATRIX = "concordance_matrix"
OVERLAP = "overlap"
OF_TRUTH = (*OF_AGREEMENT, *OF_CONCORDANCE, MATRIX, OVERLAP)

Network = TypeVar("Network")


def first(networks: Sequence[Network], head: Callable[[Network], str]) -> Network:
    """Return the one of some networks whose maps are shown: the first without a GAP head, if any.

    Args:
        networks: of a data set, in the order of the plan.
        head: says which head one of them has.
    """
    return next((network for network in networks if head(network) != "gap"), networks[0])


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


def of_truth(plan: Plan, dataset: str) -> list[str]:
    """Return the figures of a data set's truth: of agreement with it, of metrics that are judged.

    Maps are compared on networks without GAP heads. Metrics are judged where blind ones are asked,
    too; the matrix is of those that remove. Receptive fields are shown where there are three.
    """
    networks = [n for n in plan.networks if n.dataset == dataset and plan.estimands(n)]
    asked = {name: n for n in networks for name in plan.metrics(n)}
    if "truth_agreement" not in asked:
        return []
    agreement = [*OF_AGREEMENT] if any(n.head != "gap" for n in networks) else []
    judged = [
        evaluation
        for name, network in asked.items()
        for evaluation in plan.evaluations(name, network)
        if evaluation.is_judged and name not in ("truth_agreement", "blind")
    ]
    if not judged or "blind" not in asked:
        return agreement
    # three doses of overlap: fields of networks with Flatten heads
    flat = [n for n in networks if n.head == "flatten"]
    fields = {field for n in flat if (field := plan.architecture(n).field)}
    removes = any(registry.METRICS[evaluation.metric].removes for evaluation in judged)
    return [*agreement, *OF_CONCORDANCE, *[MATRIX] * removes, *[OVERLAP] * (len(fields) > 2)]
