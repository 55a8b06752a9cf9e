"""Similarity of HiResCAM and every other map of an image."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

REFERENCE = "hirescam"


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: none without HiResCAM."""
    if REFERENCE not in network.everything:
        return
    others = tuple(name for name in network.everything if name != REFERENCE)
    yield Evaluation("similarity", "strict", Setting.of(kind="total"), (REFERENCE,), "fact")
    yield Evaluation("similarity", "strict", Setting.of(kind="spearman"), others)
    yield Evaluation("similarity", "strict", Setting.of(kind="residual"), others, "fact")


METRIC = Metric(
    "Similarity to HiResCAM",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    evaluations=evaluations,
    compared=False,
    heads=("flatten",),
    volumes=True,
    multi_label=True,
)
