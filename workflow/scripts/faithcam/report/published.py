"""The published study's numbers: ``published.yaml`` beside this module, the only place of them."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from faithcam.data import definitions

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Value:
    """The published scores of one network's two maps.

    Args:
        data: ``source`` of the data set's definition.
        architecture: of the network.
        metric: aopc, max_sensitivity or haas (accuracy on assisted / on clean images).
        setting: of the metric, as in ``STATISTICS``.
        gradcam: mean over images.
        hirescam: mean over images.
    """

    data: str
    architecture: str
    metric: str
    setting: str
    gradcam: float
    hirescam: float


@functools.cache
def study() -> dict[str, Any]:
    """Return the file's content."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content


def claims() -> Mapping[str, Mapping[str, int]]:
    """Return in how many cases each published claim holds, fails and is tied, by metric."""
    counts: Mapping[str, Mapping[str, int]] = study()["claims"]
    return counts


def values() -> Iterator[Value]:
    """Yield all published scores that can be read, metric by metric."""
    for row in study()["maps"]:
        for network, a, b in zip(study()["networks"], row["gradcam"], row["hirescam"], strict=True):
            if a is not None and b is not None:
                yield Value(**network, metric=row["metric"], setting=row["setting"],
                            gradcam=float(a), hirescam=float(b))  # fmt: skip


def accuracies() -> dict[tuple[str, str], float]:
    """Return the published balanced accuracies by (data, architecture)."""
    networks = [(network["data"], network["architecture"]) for network in study()["networks"]]
    return dict(zip(networks, study()["balanced_accuracy"], strict=True))


def _images(definition: Mapping[str, Any]) -> int:
    return sum((definitions.split_images(definition) or {}).values())


def matches(definition: Mapping[str, Any], data: str) -> bool:
    """Return whether a data set of this definition is the published one.

    Args:
        definition: one of the config's ``dataset_definitions``.
        data: ``source`` of the published one.
    """
    return bool(
        definition["source"] == data
        and definition["size"] == study()["size"]
        and definition.get("control", "none") == "none"
        and definition.get("explained_split", "test") == "test"
        and _images(definition) == _images({"source": data, "size": definition["size"]})
    )
