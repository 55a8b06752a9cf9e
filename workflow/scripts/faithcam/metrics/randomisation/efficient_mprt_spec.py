"""Efficient MPRT: how much more complex maps become when all weights of the network are new."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.randomisation.stages import asked
from faithcam.metrics.spec import Metric

BINS = 100


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the score under both draws of new weights."""
    methods, setting = network.remade(network.everything), Setting.of(bins=BINS)
    trained = asked(network, methods, 0, 0)
    evaluation = Evaluation("efficient_mprt", "strict", setting, methods, "primary")
    yield from both_draws(
        evaluation, lambda replicate: (*trained, *asked(network, methods, 1, replicate))
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
    heads=("flatten", "gap"),
)
