"""Problems of maps that were made elsewhere, and which metrics leave them out."""

import os.path
from collections.abc import Iterable, Mapping
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.experiment import axes
from faithcam.experiment.dataset_problems import unusable
from faithcam.maps import registry as cams
from faithcam.maps.given import check, file_of
from faithcam.metrics import registry as measures
from faithcam.metrics.networks import NetworkSpec


def given_problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield what is wrong with ``maps_from``: names, folders, and what files say of themselves."""
    networks = {
        f"{dataset}/{architecture}-{head}/seed{seed}": NetworkSpec.of(
            config, dataset, architecture, head
        )
        for dataset, architecture, head, seed in (
            axes.planned(config) if config["maps_from"] else ()
        )
    }
    taken = set(_taken(config, networks.values()))
    for name, folder in config["maps_from"].items():
        if name in taken:
            yield f"maps_from: {name} is taken; give your maps another name, e.g. my_{name}"
        elif wrong := unusable(folder, file=False):
            home = "; write the whole path in place of ~" * folder.startswith("~")
            yield f"maps_from.{name}: {folder} {wrong}{home}"
        elif not os.path.isdir(folder):
            yield f"maps_from.{name}: {folder} is a file, expected a folder"
        else:
            yield from _file_problems(name, folder, networks)


def _taken(config: Mapping[str, Any], networks: Iterable[NetworkSpec]) -> Iterable[str]:
    """Yield the names that something else has: maps, nulls, and what else is scored beside maps."""
    yield from (cams.CHECKS, *cams.METHODS)
    for network in dict.fromkeys(networks):
        for metric in axes.of_dataset(config, network.dataset, "metrics"):
            if measures.METRICS[metric].supports(network)[0]:
                for evaluation in measures.evaluations(config, metric, network):
                    methods = list(evaluation.methods)
                    yield from {name for name in methods if methods.count(name) > 1}


def _file_problems(name: str, folder: str, networks: Mapping[str, NetworkSpec]) -> Iterable[str]:
    absent = []
    for network, spec in networks.items():
        if name not in spec.everything:
            continue
        try:
            path = file_of(folder, network)
        except FaithcamError as error:
            absent.append(str(error))
            continue
        try:
            check(path, spec.grids)
        except FaithcamError as error:
            yield f"maps_from.{name}: {error}"
    if absent:
        more = f"; more files are missing: {len(absent) - 1}" * (len(absent) > 1)
        yield f"maps_from.{name}: {absent[0]}{more}"


def unscored_maps(config: Mapping[str, Any]) -> list[str]:
    """Return a sentence on the metrics that leave given maps out, and why; none without any."""
    made = [name for name in axes.metrics(config) if measures.METRICS[name].maps == "made"]
    if not config["maps_from"] or not made:
        return []
    return [
        f"{', '.join(config['maps_from'])} (maps_from): no scores by {', '.join(made)}, for "
        "want of maps of other images or networks"
    ]
