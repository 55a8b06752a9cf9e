"""Sparseness: the Gini index of a map's cells."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the one evaluation: of all maps, as they are."""
    setting = Setting.of(view="signed")
    yield Evaluation("sparseness", "strict", setting, network.everything, "primary")


METRIC = Metric(
    "Sparseness",
    larger_is_better=True,
    source="arXiv 1810.06583",
    range=(0, 1),
    evaluations=evaluations,
    volumes=True,
    several_labels=True,
)
