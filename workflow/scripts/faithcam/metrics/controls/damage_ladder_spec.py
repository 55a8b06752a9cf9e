"""Damage ladders: HiResCAM made worse step by step, and what the metrics say to that."""

from collections.abc import Iterator
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric
from faithcam.removal.imputers_spec import NEEDS

LADDERS = ("noise", "shift", "inversion")
DIRECTIONS = 4  # of shifts


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield every metric's scores of every draw of every step; step 0 is undamaged."""
    settings = config["damage_ladder"]
    for ladder in LADDERS:
        for step in range(len(settings["steps"]) + 1):
            for draw in range(settings["draws"] if step else 1):
                for metric, passes in _passes(config, network, ladder, step, draw).items():
                    setting = Setting.of(draw=draw, ladder=ladder, metric=metric, step=step)
                    yield Evaluation(
                        "damage_ladder",
                        "strict",
                        setting,
                        ("hirescam",),
                        reversed=metric == "max_sensitivity",  # where less is better
                        passes=passes,
                    )


def _passes(
    config: Config, network: NetworkSpec, ladder: str, step: int, draw: int
) -> dict[str, tuple[Passes, ...]]:
    """Return what each metric reads of the network.

    A shift is made in all directions, of which every draw takes one; the other ladders have a map
    for every draw. All maps share the noisy images.
    """
    maps: list[tuple[object, ...]] = [(ladder, step, draw)] if step else [()]
    if step and ladder == "shift":
        maps = [(ladder, step, direction) for direction in range(DIRECTIONS)]
    cells = network.cells**2
    samples = config["max_sensitivity"]["strict"]["samples"]

    def asked(of: str, count: int) -> tuple[Passes, ...]:
        return (CLEAN, *(Passes((of, *damaged), count) for damaged in maps))

    passes = {
        "aopc": asked("removed", cells),
        "feature_aopc": (CLEAN,),
        "haas": asked("assisted", 1),
        "max_sensitivity": (CLEAN, Passes(("moved",), samples)),
    }
    return passes | ({"rerendered": asked("rerendered", cells)} if network.has_renderings else {})


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the shares of damage, AOPC's imputer, radius and samples of Max-Sensitivity."""
    sensitivity = config["max_sensitivity"]["strict"]
    return {
        "steps": list(config["damage_ladder"]["steps"]),
        "imputer": config["aopc"]["strict"]["imputers"][0],
        "radius": sensitivity["primary_radius"],
        "samples": sensitivity["samples"],
    }


METRIC = Metric(
    "Damage ladder",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    evaluations=evaluations,
    options=options,
    maps="made",
    uses=NEEDS,
    removes=True,
    compared=False,
    heads=("flatten",),
)
