"""Blind metrics: what a score can say of a map that never asks the network."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.accuracy.estimands import estimands_of
from faithcam.metrics.accuracy.names import COMPLETENESS, OTHERS
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

LIKE = ("edges", "centre", "intensity", "distance_from_mean")  # maps of the image alone
SHAPES = ("variation", "sparseness", "complexity")


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield one evaluation per kind; the mean truth of others is the first estimand's."""
    for kind in (*LIKE, *SHAPES, COMPLETENESS):
        passes = (CLEAN,) if kind == COMPLETENESS else ()
        setting, methods = Setting.of(kind=kind), network.everything
        yield Evaluation("blind", "strict", setting, methods, passes=passes)
    for estimand in estimands_of(config, network)[:1]:
        setting = Setting.of(kind=OTHERS, estimand=estimand)
        yield Evaluation("blind", "strict", setting, network.everything)


METRIC = Metric(
    "Blind metrics",
    larger_is_better=True,
    source="docs/concordance.md",
    range=(float("-inf"), float("inf")),
    evaluations=evaluations,
    needs=("truth",),
    exact=True,
    compared=False,
)
