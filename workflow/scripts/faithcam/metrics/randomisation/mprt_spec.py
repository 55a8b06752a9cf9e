"""Model parameter randomisation test: how like its map is a network's with new weights."""

from collections.abc import Iterator
from typing import Any

from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.randomisation import stages
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the mean over stages and every stage."""
    yield from stages.evaluations("mprt", config, network, network.remade(network.everything))


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the number of stages."""
    return {"stages": int(config["mprt"]["stages"])}


METRIC = Metric(
    "MPRT",
    larger_is_better=False,
    source="arXiv 1810.03292",
    range=(-1, 1),
    evaluations=evaluations,
    options=options,
    maps="made",
    uses=("standard_images",),
    drawn_per_network=True,
    heads=("flatten", "gap"),
)
