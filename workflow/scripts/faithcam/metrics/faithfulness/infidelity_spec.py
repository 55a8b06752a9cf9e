"""Infidelity: how badly a map predicts what replacing a part of the image does to the score."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes, Role, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: of maps as they are, and of the scale that fits best.

    That one is primary, and stands beside it as a share of the changes (``r2``).
    """
    samples = config["infidelity"]["samples"]
    for scale in ("raw", "best", "r2"):
        setting = Setting.of(samples=samples, scale=scale)
        role: Role = "primary" if scale == "best" else "variant"
        evaluation = Evaluation("infidelity", "strict", setting, network.everything, role)
        yield from both_draws(
            evaluation, lambda replicate: (CLEAN, Passes(("replaced", replicate), samples))
        )


METRIC = Metric(
    "Infidelity",
    larger_is_better=False,
    source="arXiv 1901.09392",
    range=(0, float("inf")),
    reference="noise",
    evaluations=evaluations,
)
