"""Max-Sensitivity: how much a map can change when the image is moved a little."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

PREDICTION = "prediction"  # in place of a map's name


def thesis_radius(settings: Config) -> float:
    """Return the thesis protocol's radius that stands beside the strict protocol's primary one.

    Args:
        settings: the config's ``max_sensitivity``.

    Returns:
        The primary radius, or the first one if the protocol lacks it.
    """
    radii, primary = settings["thesis"]["radii"], settings["strict"]["primary_radius"]
    return float(primary if primary in radii else radii[0])


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: the published protocol's radii, then the strict protocol's.

    Controls are scored at the primary radius alone, unless all evaluations are judged. It has a
    second replicate of noise, and where an image has one label the maps of the logit y_c too.
    """
    if "thesis" in config["protocols"]:
        yield from _thesis(config["max_sensitivity"], network)
    if "strict" in config["protocols"]:
        strict, judged = config["max_sensitivity"]["strict"], network.judged_methods(config)
        primary = float(strict["primary_radius"])
        for radius in dict.fromkeys([*map(float, strict["radii"]), primary]):
            yield from _strict(radius, strict, network, judged)


def clean(network: NetworkSpec, methods: Sequence[str], protocol: str) -> tuple[Passes, ...]:
    """Return what the maps of the images themselves take."""
    mean = Passes(("mean activations",), network.passes_of_mean(methods), once=True)
    return Passes((protocol, "clean"), 1), mean


def _thesis(settings: dict[str, Any], network: NetworkSpec) -> Iterator[Evaluation]:
    thesis, primary = settings["thesis"], thesis_radius(settings)
    for radius, samples in zip(map(float, thesis["radii"]), thesis["samples"], strict=True):
        first = radius == primary
        methods = network.made(network.everything if first else network.methods)
        yield Evaluation(
            "max_sensitivity",
            "thesis",
            Setting.of(radius=radius, samples=samples, version="absolute"),
            methods,
            "primary" if first else "variant",
            passes=(*clean(network, methods, "thesis"), Passes(("thesis", radius), samples)),
        )


def _strict(
    radius: float, strict: Config, network: NetworkSpec, judged: Sequence[str]
) -> Iterator[Evaluation]:
    primary = radius == float(strict["primary_radius"])
    methods = network.made(network.methods)
    scored = network.made(network.everything if primary else judged)
    for replicate in (0, 1) if primary else (0,):
        base = Setting.of(radius=radius, samples=strict["samples"], replicate=replicate)
        passes = Passes(("strict", replicate, radius), strict["samples"])
        for version in ("absolute", "relative", "rank"):
            setting = base.replace(version=version)
            evaluation = Evaluation(
                "max_sensitivity",
                "strict",
                setting,
                scored,
                "primary" if primary and version == "relative" else "variant",
                passes=(*clean(network, scored, "strict"), passes),
            )
            if replicate:
                first = setting.replace(replicate=0)
                yield replace(evaluation, role="replicate", replicate_of=first)
                continue
            yield evaluation
            if primary and not network.multi_label:
                explained_score = setting.replace(explained_score="logit")
                yield replace(evaluation, setting=explained_score, methods=methods, role="variant")
        flips = base.replace(version="flips")
        fact = replace(evaluation, setting=flips, methods=(PREDICTION,), role="fact")
        if replicate:
            fact = replace(fact, role="replicate", replicate_of=flips.replace(replicate=0))
        yield fact


METRIC = Metric(
    "Max-Sensitivity",
    larger_is_better=False,
    source="arXiv 1901.09392",
    range=(0, float("inf")),
    evaluations=evaluations,
    maps="made",
    published=True,
    volumes=True,
    multi_label=True,
)
