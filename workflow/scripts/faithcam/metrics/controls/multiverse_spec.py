"""Multiverse: AOPC of HiResCAM and Grad-CAM in every declared specification."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import counted, strict_regions
from faithcam.metrics.spec import Metric
from faithcam.removal.imputers_spec import IMPUTERS, draws_of

METHODS = ("hirescam", "gradcam")


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all specifications, then the ranges of all curves of an imputer.

    Factors: the map's view and explained score, the grid of regions and whether it is corrected
    for the offset of the cells' receptive fields, the imputer and the noise replicate.
    """
    settings, draws = config["multiverse"], config["aopc"]["strict"]["draws"]
    offsets = ("none", "corrected") if network.offset else ("none",)
    fills = [
        (i, replicate) for i in settings["imputers"] for replicate in range(1 + IMPUTERS[i].drawn)
    ]
    for region in strict_regions(network, settings["regions"]):
        for offset, view, explained_score, (imputer, replicate) in product(
            offsets, ("signed", "scaled"), ("logit", "centred"), fills
        ):
            setting = Setting.of(
                grid=region,
                imputer=imputer,
                offset=offset,
                replicate=0,
                explained_score=explained_score,
                view=view,
            )
            states = counted(network, region) * draws_of(imputer, draws)
            of = (str(setting), replicate)
            yield Evaluation(
                "multiverse",
                "strict",
                setting.replace(replicate=replicate),
                METHODS,
                "replicate" if replicate else "variant",
                setting if replicate else None,
                passes=(CLEAN, *(Passes((*of, method), states) for method in METHODS)),
            )
    for imputer, replicate in fills:
        setting = Setting.of(imputer=imputer, output="range", replicate=replicate)
        yield Evaluation("multiverse", "strict", setting, ("hirescam",), "fact", passes=(CLEAN,))


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the draws of AOPC's noise and the offset of the cells' centres in pixels."""
    return {"draws": config["aopc"]["strict"]["draws"], "offset": network.offset}


METRIC = Metric(
    "Multiverse",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    evaluations=evaluations,
    options=options,
    maps="made",
    uses=("background_images", "train_mean"),
    removes=True,
    compared=False,
    heads=("flatten",),
)
