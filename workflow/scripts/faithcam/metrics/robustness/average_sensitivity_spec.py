"""Average sensitivity: how much a map changes on average when the image is moved a little."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes, Role, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: at Max-Sensitivity's primary radius, with its samples."""
    strict = config["max_sensitivity"]["strict"]
    radius, samples = float(strict["primary_radius"]), strict["samples"]
    methods = network.made(network.everything)
    mean = Passes(("mean activations",), network.passes_of_mean(methods), once=True)
    for version in ("absolute", "relative", "rank"):
        setting = Setting.of(radius=radius, samples=samples, version=version)
        role: Role = "primary" if version == "relative" else "variant"
        evaluation = Evaluation("average_sensitivity", "strict", setting, methods, role)
        yield from both_draws(
            evaluation, lambda replicate: (CLEAN, mean, Passes(("noisy", replicate), samples))
        )


METRIC = Metric(
    "Average sensitivity",
    larger_is_better=False,
    source="arXiv 2005.00631",
    range=(0, float("inf")),
    evaluations=evaluations,
    maps="made",
)
