"""Convergence: what AOPC and Max-Sensitivity say after a growing number of draws and samples."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import NATIVE, counted
from faithcam.metrics.spec import Metric

METHODS = ("gradcam", "hirescam", "sham")  # whatever the config names
BLOCKS = (0, 1)  # streams of Max-Sensitivity's noise


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: AOPC of each draw alone, Max-Sensitivity of the first samples."""
    settings = config["convergence"]
    for draw in range(settings["draws"]):
        setting = Setting.of(metric="aopc", draw=draw)
        cells = counted(network, NATIVE)
        removed = tuple(Passes(("aopc", draw, method), cells) for method in METHODS)
        yield Evaluation("convergence", "strict", setting, METHODS, passes=removed)
    for block in BLOCKS:
        passes: tuple[Passes, ...] = (CLEAN,)  # more samples are the fewer ones and others
        for before, samples in pairwise([0, *sorted(set(settings["samples"]))]):
            setting = Setting.of(metric="max_sensitivity", block=block, samples=samples)
            passes += (Passes(("noisy", block, samples), samples - before),)
            yield Evaluation("convergence", "strict", setting, METHODS, passes=passes)


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return what settings do not say: Max-Sensitivity's primary radius."""
    return {"radius": float(config["max_sensitivity"]["strict"]["primary_radius"])}


METRIC = Metric(
    "Convergence",
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
