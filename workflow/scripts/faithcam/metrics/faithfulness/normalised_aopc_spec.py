"""Normalised AOPC: where a map's AOPC lies between the worst and the best order of removal."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import regions_of
from faithcam.metrics.spec import Metric

MOST_SEARCHED = 62  # regions whose subsets have an int64 each


def search_passes(regions: int, beam: int) -> int:
    """Return the states that a beam search over orders of removal asks the network about.

    Every kept set of regions is seen as it is, and with each other region removed, too.
    """
    kept, states = 1, 0
    for left in range(regions, 0, -1):
        states += kept * (1 + left)
        kept = min(beam, kept * left)
    return states


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the score under both noise replicates, each with two searches."""
    beam, region = (config["normalised_aopc"][key] for key in ("beam", "region"))
    regions, methods = regions_of(network.size, region), network.everything

    def passes(replicate: int) -> tuple[Passes, ...]:
        searches = Passes(("searches", replicate), 2 * search_passes(regions, beam))
        maps = network.orders_of(methods)
        return searches, *(Passes((replicate, name), regions) for name in maps)

    setting = Setting.of(beam=beam, region=region)
    evaluation = Evaluation("normalised_aopc", "strict", setting, methods, "primary")
    yield from both_draws(evaluation, passes)


METRIC = Metric(
    "Normalised AOPC",
    larger_is_better=True,
    source="arXiv 2408.08137",
    range=(0, 1),
    reference="noise",
    evaluations=evaluations,
    removes=True,
)
