"""Complexity: the entropy of a map's cells."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the one evaluation: of all maps, as they are."""
    setting = Setting.of(view="signed")
    yield Evaluation("complexity", "strict", setting, network.everything, "primary")


METRIC = Metric(
    "Complexity",
    larger_is_better=False,
    source="arXiv 2005.00631",
    range=(0, float("inf")),
    evaluations=evaluations,
    volumes=True,
    several_labels=True,
)
