"""Normalised AOPC: where a map's AOPC lies between the worst and the best order of removal."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes, noise_streams
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
    """Yield the score under both streams of noise, each with two searches."""
    own = config["normalised_aopc"]
    regions = regions_of(network.size, own["region"])
    maps = sorted({network.map_of(name) for name in network.everything})
    base = Setting.of(beam=own["beam"], region=own["region"])
    for setting, role, first in noise_streams(base):
        stream = setting["stream"]
        searches = Passes(("searches", stream), 2 * search_passes(regions, own["beam"]))
        yield Evaluation(
            "normalised_aopc",
            "strict",
            setting,
            network.everything,
            role if first else "primary",
            first,
            passes=(searches, *(Passes((stream, name), regions) for name in maps)),
        )


METRIC = Metric(
    "Normalised AOPC",
    larger_is_better=True,
    source="arXiv 2408.08137",
    range=(0, 1),
    evaluations=evaluations,
    removes=True,
)
