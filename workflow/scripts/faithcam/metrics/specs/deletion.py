"""Deletion: how low the class probability is while relevant cells turn grey."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import NATIVE, counted
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the one evaluation: of all maps, by native cells."""
    states = counted(network, NATIVE)  # of volumes those of a slice: each is asked about once
    maps = sorted({network.map_of(name) for name in network.everything})
    yield Evaluation(
        "deletion",
        "strict",
        Setting.of(region=NATIVE),
        network.everything,
        "primary",
        passes=tuple(Passes((name,), states) for name in maps),
    )


METRIC = Metric(
    "Deletion",
    larger_is_better=False,
    source="arXiv 1806.07421",
    range=(0, 1),
    evaluations=evaluations,
    removes=True,
    volumes=True,
    several_labels=True,
)
