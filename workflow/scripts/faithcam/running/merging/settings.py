"""The config of several runs as one: what must be the same in all of them, and what may differ."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.experiment import axes
from faithcam.experiment.config import PATHS
from faithcam.models.architecture import path_name
from faithcam.models.own import HEADS
from faithcam.running.merging.source import Source, groups_file

FOLDER = "results/merged"  # `results` of every merged config: no byte follows from where it lies
# where and how a run was made: no result follows from it, or only last digits (device)
OPERATION = ("results", "resources", "container", "incomplete", "device", "images_per_job")
# what says which networks there are, and the report's number of example cases
ASKED = ("datasets", "dataset_definitions", "gap_twins", "report")
OWN = (
    "trained_weights",
    "maps_from",
)  # files of the user's by name; names of maps are methods, too
OF_NETWORKS = ("architectures", "seeds")  # of a data set
MOST = 5  # differences that an error lists

_ABSENT = object()


def check(sources: Sequence[Source]) -> None:
    """Check that runs are parts of one experiment.

    Raises:
        FaithcamError: naming each key that results depend on, and both values, where they are not.
    """
    for first, second in combinations(sources, 2):
        for what, of in (("config: ", _comparable), ("data: ", _data), ("", _files)):
            pairs = list(_differences(of(first, second), of(second, first)))
            if pairs:
                lines = [
                    f"{what}{key}: {a} in {first.folder}, {b} in {second.folder}"
                    for key, a, b in pairs[:MOST]
                ]
                lines += [f"and {len(pairs) - MOST} more"] * (len(pairs) > MOST)
                raise FaithcamError(
                    "\n  ".join(lines) + "\n  expected the same: results of other settings or "
                    "images are no part of one experiment. Run one again with the other's, or "
                    "leave it out"
                )


def merged(sources: Sequence[Source]) -> dict[str, Any]:
    """Return one config for all networks of some runs.

    Args:
        sources: that :func:`check` found to be parts of one experiment.
    """
    configs = [source.config for source in sources]
    config = dict(configs[0])
    for key in (*OPERATION, *ASKED):
        config[key] = _least(each[key] for each in configs)
    config["results"] = FOLDER
    config["incomplete"] = any(each["incomplete"] for each in configs)
    config |= {key: _joined(each[key] for each in configs) for key in OWN}
    config["datasets"] = _union([each["datasets"] for each in configs])
    confirm = {name for each in configs for name in each["concordance"]["confirm"]}
    config["concordance"] = {**config["concordance"], "confirm": sorted(confirm)}
    of_dataset = {
        name: [each for each in configs if name in each["datasets"]] for name in config["datasets"]
    }
    values = {
        (name, key): _union([axes.of_dataset(each, name, key) for each in having])
        for name, having in of_dataset.items()
        for key in axes.OVERRIDES
    }
    for key in axes.OVERRIDES:
        config[key] = _union([values[name, key] for name in of_dataset])
    config["dataset_definitions"] = {
        name: {
            **_definition(name, having),
            **{k: values[name, k] for k in axes.OVERRIDES if values[name, k] != config[k]},
        }
        for name, having in of_dataset.items()
    }
    return config


def planned(sources: Sequence[Source], config: Mapping[str, Any]) -> list[Identity]:
    """Return all networks that some runs were asked for, in the order of the merged config.

    Networks of somebody's own have the heads that they have, whatever ``heads`` says.
    """

    def place(network: Identity) -> tuple[int, ...]:
        architectures, heads, seeds = (
            axes.of_dataset(config, network.dataset, key)
            for key in ("architectures", "heads", "seeds")
        )
        return (
            config["datasets"].index(network.dataset),
            [path_name(name) for name in architectures].index(network.architecture),
            [*heads, *HEADS].index(network.head),
            seeds.index(network.seed),
        )

    return sorted({network for source in sources for network in source.planned}, key=place)


def data(sources: Sequence[Source]) -> dict[str, Any]:
    """Return the manifests of all data sets of some runs, by name."""
    return {name: each for source in sources for name, each in source.record["data"].items()}


def _comparable(source: Source, other: Source) -> dict[str, Any]:
    """Return what must be as in another run: all settings, and the data sets that both have."""
    config = source.config
    free = {*OPERATION, *ASKED, *OWN, *axes.OVERRIDES}
    common = [name for name in config["datasets"] if name in other.config["datasets"]]
    confirm = config["concordance"]["confirm"]
    return {
        **{key: value for key, value in config.items() if key not in free},
        "concordance": {
            **config["concordance"],
            "confirm": [name for name in common if name in confirm],
        },
        "dataset_definitions": {
            name: {
                **{
                    key: value
                    for key, value in config["dataset_definitions"][name].items()
                    if key not in (*axes.OVERRIDES, *PATHS)
                },
                **{
                    key: axes.of_dataset(config, name, key)
                    for key in axes.OVERRIDES
                    if key not in OF_NETWORKS
                },
            }
            for name in common
        },
    }


def _data(source: Source, other: Source) -> dict[str, Any]:
    """Return the manifests of the images that both runs have."""
    return {name: m for name, m in source.record["data"].items() if name in other.record["data"]}


def _files(source: Source, other: Source) -> dict[str, Any]:
    """Return what both runs have: facts of own networks, hashes of groups, code of plugins."""
    facts = {
        name: {**facts, "spec": vars(facts["spec"])}
        for name, facts in source.own_facts.items()
        if name in other.own_facts
    }
    groups = {
        name: {"sha256": source.digests[name]}
        for dataset in source.config["datasets"]
        for name in groups_file(source.config, dataset)
        if name in source.digests and name in other.digests
    }
    mine, others = (run.record.get("plugins", {}) for run in (source, other))
    plugins = {f"plugin {name}": mine[name]["sha256"] for name in mine if name in others}
    return {**facts, **groups, **plugins}


def _definition(name: str, configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a data set's definition without what it has of its own for its networks."""
    definitions = [each["dataset_definitions"][name] for each in configs]
    keys = [key for key in definitions[0] if key not in axes.OVERRIDES]
    return {key: _least(each[key] for each in definitions if key in each) for key in keys}


def _differences(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the key of each difference, keys in keys with a dot, and both values as texts."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted({*a, *b}):
            inner = f"{where}.{key}" if where else key
            yield from _differences(a.get(key, _ABSENT), b.get(key, _ABSENT), inner)
    elif a != b:
        yield where, _shown(a), _shown(b)


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value)


def _least(values: Iterable[Any]) -> Any:
    """Return one of some values, whatever their order: the first one as text."""
    return min(values, key=lambda value: json.dumps(value, sort_keys=True))


def _union(values: Sequence[Any]) -> Any:
    """Return all entries of some lists: as they are, where they are the same, else sorted.

    Of numbers the largest one.
    """
    if all(value == values[0] for value in values):
        return values[0]
    if not isinstance(values[0], list):
        return max(values)
    return sorted({entry for value in values for entry in value})


def _joined(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the entries of all mappings; of a name that several have the first one as text."""
    pairs = sorted({pair for each in mappings for pair in each.items()}, reverse=True)
    return dict(sorted(dict(pairs).items()))
