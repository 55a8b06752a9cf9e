"""Increase in confidence: whether the network is surer when it sees a map's part alone."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the one evaluation: of all maps, as masks."""
    maps = sorted({network.map_of(name) for name in network.everything})
    yield Evaluation(
        "increase_in_confidence",
        "strict",
        Setting.of(view="scaled"),
        network.everything,
        "primary",
        passes=(Passes(("clean",), 1), *(Passes((name,), 1) for name in maps)),
    )


METRIC = Metric(
    "Increase in confidence",
    larger_is_better=True,
    source="arXiv 1710.11063",
    range=(0, 1),
    evaluations=evaluations,
    binary=True,
    volumes=True,
    several_labels=True,
)
