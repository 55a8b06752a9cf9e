"""Average sensitivity: how much a map changes on average when the image is moved a little."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes, noise_streams
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: at Max-Sensitivity's primary radius, with its samples."""
    strict = config["max_sensitivity"]["strict"]
    radius, samples = float(strict["primary_radius"]), strict["samples"]
    methods = network.made(network.everything)
    clean = Passes(("clean",), 1)
    mean = Passes(("mean activations",), network.passes_of_mean(methods), once=True)
    for version in ("absolute", "relative", "rank"):
        base = Setting.of(radius=radius, samples=samples, version=version)
        for setting, role, first in noise_streams(base):
            yield Evaluation(
                "average_sensitivity",
                "strict",
                setting,
                methods,
                "primary" if version == "relative" and first is None else role,
                replicate_of=first,
                passes=(clean, mean, Passes(("noisy", setting["stream"]), samples)),
            )


METRIC = Metric(
    "Average sensitivity",
    larger_is_better=False,
    source="arXiv 2005.00631",
    range=(0, float("inf")),
    evaluations=evaluations,
    maps="made",
)
