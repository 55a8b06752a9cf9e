"""Smooth MPRT: the model parameter randomisation test on maps averaged over noisy images."""

from collections.abc import Iterator
from typing import Any

from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.randomisation import stages
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the mean over stages and every stage, of methods that depend on the network."""
    methods, samples = network.made(network.everything), int(config["smooth_mprt"]["samples"])
    yield from stages.evaluations("smooth_mprt", config, network, methods, samples)


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the number of stages, the number of noisy images and their noise."""
    settings = config["smooth_mprt"]
    return {
        "stages": int(config["mprt"]["stages"]),
        "samples": int(settings["samples"]),
        "noise": float(settings["noise"]),
    }


METRIC = Metric(
    "Smooth MPRT",
    larger_is_better=False,
    source="arXiv 2401.06465",
    range=(-1, 1),
    evaluations=evaluations,
    options=options,
    maps="made",
    uses=("standard_images",),
    drawn_per_network=True,
    heads=("flatten", "gap"),
)
