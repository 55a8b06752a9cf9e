"""Axes of an experiment: its networks, and what each data set has of its own in the config.

Importing this module does not import torch.
"""

from collections.abc import Mapping
from typing import Any

from faithcam.data import definitions as data
from faithcam.metrics import registry as measures
from faithcam.metrics.networks import NetworkSpec, is_twin
from faithcam.models import registry as models
from faithcam.models.architecture import is_own, path_name

# keys of the experiment that a data set's definition can replace for its own networks
OVERRIDES = ("architectures", "heads", "seeds", "metrics", "explained_images")


def of_dataset(config: Mapping[str, Any], dataset: str, key: str) -> Any:
    """Return a setting of a data set: its own in dataset_definitions, or the experiment's.

    Args:
        config: the experiment's.
        dataset: a key of ``dataset_definitions``.
        key: one of OVERRIDES.
    """
    return config["dataset_definitions"][dataset].get(key, config[key])


def planned(config: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return (data set, architecture, head, training seed) of every network of the experiment.

    Architectures have the names that are parts of paths.
    """
    return [
        (dataset, path_name(architecture), head, seed)
        for dataset in config["datasets"]
        for architecture in of_dataset(config, dataset, "architectures")
        for head in heads_of(config, dataset, architecture)
        for seed in _seeds(config, dataset, architecture, head)
    ]


def heads_of(config: Mapping[str, Any], dataset: str, architecture: str) -> list[str]:
    """Return the heads of an architecture on a data set: the user's own networks have their own.

    Raises:
        FaithcamError: if a network of the user's own has not been measured.
    """
    own = own_head(config, architecture)
    heads: list[str] = [own] if own else of_dataset(config, dataset, "heads")
    return heads


def own_networks(config: Mapping[str, Any]) -> list[str]:
    """Return MODULE:FUNCTION of all networks of the user's own, sorted."""
    named = {n for d in config["datasets"] for n in of_dataset(config, d, "architectures")}
    return sorted(filter(is_own, named))


def own_head(config: Mapping[str, Any], architecture: str) -> str:
    """Return the head of a network of the user's own; "" of others.

    Raises:
        FaithcamError: if it has not been measured.
    """
    if not is_own(architecture):
        return ""
    return models.find(architecture, config["resources"]).head


def _seeds(config: Mapping[str, Any], dataset: str, architecture: str, head: str) -> list[int]:
    """Return the training seeds of a head: one is enough where GAP twins only confirm a law."""
    seeds: list[int] = of_dataset(config, dataset, "seeds")
    first = config["gap_twins"] == "first" and is_twin(config, dataset, architecture, head)
    return seeds[:1] if first else seeds


def metrics(config: Mapping[str, Any]) -> list[str]:
    """Return the metrics of all data sets, each once: the experiment's first."""
    used = {metric for name in config["datasets"] for metric in of_dataset(config, name, "metrics")}
    return [name for name in config["metrics"] if name in used] + sorted(
        used - {*config["metrics"]}
    )


def unused_metrics(config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each metric that applies to no network of the experiment, and why."""
    reasons: dict[str, set[str]] = {}
    used = set()
    for dataset, architecture, head, _ in planned(config):
        network = NetworkSpec.of(config, dataset, architecture, head)
        for name in of_dataset(config, dataset, "metrics"):
            able, reason = measures.METRICS[name].supports(network)
            if able:
                used.add(name)
            reasons.setdefault(name, set()).add(reason)
    return [
        f"{name} is left out: it {' and '.join(sorted(why))}"
        for name, why in reasons.items()
        if name not in used
    ]


def explained_images(config: Mapping[str, Any], dataset: str) -> int:
    """Return how many images of a data set are explained: its own number, or the experiment's."""
    return int(of_dataset(config, dataset, "explained_images"))


def explained_split(config: Mapping[str, Any], dataset: str) -> str:
    """Return whose images are explained: test, or val."""
    return str(config["dataset_definitions"][dataset].get("explained_split", "test"))


def images_definition(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Return what a data set's images depend on in its definition."""
    definition = config["dataset_definitions"][dataset]
    others = (*OVERRIDES, "evaluations", "explained_split", "subgroups")
    return {key: value for key, value in definition.items() if key not in others}


def data_folder(config: Mapping[str, Any], dataset: str, seed: int | str) -> str:
    """Return the folder of a network's images below ``results/data``."""
    if data.is_planted(config["dataset_definitions"][dataset]):
        return f"{dataset}/seed{seed}"
    return dataset


def is_exempt(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set's networks need no accuracy: they are controls, or misled."""
    return definition.get("task") == "shortcut" or definition.get("control", "none") != "none"
