"""Efficient MPRT: how much more complex maps become when all weights of the network are new."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, noise_streams
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric
from faithcam.metrics.stages import asked

BINS = 100


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the score under both draws of new weights."""
    methods = network.everything
    for setting, role, first in noise_streams(Setting.of(bins=BINS)):
        new = asked(network, methods, 1, int(setting["stream"]))
        yield Evaluation(
            "efficient_mprt",
            "strict",
            setting,
            methods,
            role if first else "primary",
            first,
            passes=(*asked(network, methods, 0, 0), *new),
        )


METRIC = Metric(
    "Efficient MPRT",
    larger_is_better=True,
    source="arXiv 2401.06465",
    range=(-1, float("inf")),
    evaluations=evaluations,
    maps="made",
    uses=("standard_images",),
    drawn_per_network=True,
)
