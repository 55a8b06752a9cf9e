"""Truth agreement: how near a map is to what each cell really contributes."""

from collections.abc import Iterator
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.accuracy.estimands import estimands_of
from faithcam.metrics.accuracy.names import DRAWS, OCCLUSION, OTHERS, SHIFTED
from faithcam.metrics.evaluation import Config, Evaluation, Passes, Role
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import cells_of
from faithcam.metrics.spec import Metric
from faithcam.removal.imputers_spec import NEEDS, draws_of
from faithcam.truth.contributions import LEAST_RELIABILITY
from faithcam.truth.estimands import ESTIMANDS

MEASURES = ("spearman", "pearson", "top10")
HALVES = ("all", "first", "second")
HIGHEST = LEAST_RELIABILITY**-0.5  # of a truth that is just resolved


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield every estimand's measures; the first one's Spearman is primary.

    Beside the maps stand what is no map method: the mean truth of other images, some maps moved to
    where their cells look, if that is elsewhere, occlusion by each reference of pixels. Spearman
    with the truth and its halves as they are, ``half=...``, are facts that concordance is made of.
    """
    estimands = estimands_of(config, network)
    occluded = [name for name in estimands if ESTIMANDS[name].space == "pixels"]
    beside = (
        OTHERS,
        *(name for name in SHIFTED if network.offset and SHIFTED[name] in network.everything),
        *(f"{OCCLUSION}{name}" for name in occluded),
    )
    passes = tuple(
        Passes((OCCLUSION, name), cells_of(network) * draws_of(ESTIMANDS[name].reference, DRAWS))
        for name in occluded
    )
    for estimand in estimands:
        for measure in MEASURES:
            primary = estimand == estimands[0] and measure == MEASURES[0]
            role: Role = "primary" if primary else "variant"
            setting = Setting.of(estimand=estimand, measure=measure)
            methods = network.everything + beside
            yield Evaluation("truth_agreement", "strict", setting, methods, role, passes=passes)
        for half in HALVES:
            setting = Setting.of(estimand=estimand, measure=MEASURES[0], half=half)
            yield Evaluation("truth_agreement", "strict", setting, network.everything, "fact")


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the offset of the cells' centres in pixels, and what occlusion puts in their place."""
    return {
        "offset": network.offset,
        "references": {
            name: ESTIMANDS[name].reference
            for name in estimands_of(config, network)
            if ESTIMANDS[name].space == "pixels"
        },
    }


METRIC = Metric(
    "Agreement with the truth",
    larger_is_better=True,
    source="docs/truth.md",
    range=(-HIGHEST, HIGHEST),
    evaluations=evaluations,
    options=options,
    needs=("truth",),
    uses=NEEDS,
    removes=True,
    exact=True,
    all_images=True,
)
