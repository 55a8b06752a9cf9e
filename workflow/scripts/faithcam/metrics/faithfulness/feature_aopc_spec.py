"""Feature-space AOPC: cells of the activations are set to zero in the order of a map."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the mean fall (primary), and its share of what HiResCAM's order reaches."""
    setting, methods = Setting.of(order="morf"), network.everything
    yield Evaluation("feature_aopc", "strict", setting, methods, "primary")
    yield Evaluation("feature_aopc", "strict", setting.replace(scale="optimum"), methods)


METRIC = Metric(
    "Feature-space AOPC",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    evaluations=evaluations,
    all_images=True,
    heads=("flatten",),
    volumes=True,
    multi_label=True,
)
