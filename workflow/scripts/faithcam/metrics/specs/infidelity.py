"""Infidelity: how badly a map predicts what replacing a part of the image does to the score."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes, noise_streams
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: of maps as they are, and of the scale that fits best (primary)."""
    samples = config["infidelity"]["samples"]
    for scale in ("raw", "best"):
        for setting, role, first in noise_streams(Setting.of(samples=samples, scale=scale)):
            yield Evaluation(
                "infidelity",
                "strict",
                setting,
                network.everything,
                "primary" if scale == "best" and first is None else role,
                replicate_of=first,
                passes=(Passes(("clean",), 1), Passes(("replaced", setting["stream"]), samples)),
            )


METRIC = Metric(
    "Infidelity",
    larger_is_better=False,
    source="arXiv 1901.09392",
    range=(0, float("inf")),
    evaluations=evaluations,
)
