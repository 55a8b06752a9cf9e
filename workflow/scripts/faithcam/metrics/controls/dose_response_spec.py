"""Dose-response: heads between spatially constant weights and the trained ones."""

from collections.abc import Iterator
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

METHODS = ("hirescam", "gradcam", "sham")
SCORED = ("aopc", "feature_aopc", "haas", "max_sensitivity")


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the metrics of every head's maps, how far these are from Grad-CAM, and the dead zone.

    Grad-CAM is the same at every dose, and the only map at dose 0.
    """
    draws = config["aopc"]["strict"]["draws"]
    samples = config["max_sensitivity"]["strict"]["samples"]
    for dose in map(float, config["dose_response"]["doses"]):
        maps = {("gradcam",)} | {(dose, m) for m in METHODS if dose and m != "gradcam"}
        states = {"aopc": network.cells**2 * draws, "haas": 1}
        read = {
            metric: tuple(Passes((metric, *name), count) for name in sorted(maps, key=str))
            for metric, count in states.items()
        }
        read["max_sensitivity"] = (Passes(("moved",), samples),)
        for metric in SCORED:
            setting = Setting.of(metric=metric, t=dose)
            passes = (CLEAN, *read.get(metric, ()))
            less = metric == "max_sensitivity"  # is better
            yield Evaluation(
                "dose_response", "strict", setting, METHODS, reversed=less, passes=passes
            )
        for kind in ("rank", "norm"):
            yield _fact(("hirescam", "sham"), Setting.of(metric="dose", kind=kind, t=dose))
    yield _fact(METHODS, Setting.of(metric="dead_zone", kind="share"))


def _fact(methods: tuple[str, ...], setting: Setting) -> Evaluation:
    return Evaluation("dose_response", "strict", setting, methods, "fact", passes=(CLEAN,))


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the strict protocol's draws of AOPC, radius and samples of Max-Sensitivity."""
    sensitivity = config["max_sensitivity"]["strict"]
    return {
        "draws": config["aopc"]["strict"]["draws"],
        "radius": sensitivity["primary_radius"],
        "samples": sensitivity["samples"],
    }


METRIC = Metric(
    "Dose-response",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    evaluations=evaluations,
    options=options,
    maps="made",
    removes=True,
    compared=False,
    heads=("flatten",),
)
