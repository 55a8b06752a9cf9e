"""What all comparisons on one data set share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from faithcam.statistics.intervals import Resampling
from faithcam.statistics.scores import Networks

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Design:
    """How networks, seeds and images of a data set belong together, and what is asked.

    Args:
        nested: whether each training seed draws its own images.
        resampling: of its images and networks.
        family: the metrics whose primary comparison is in the primary family.
        margins: of equivalence, by metric.
        seed: the experiment's.
        confidence: level of all intervals.
        resamples: number of bootstrap resamples.
    """

    nested: bool
    resampling: Resampling
    family: tuple[str, ...]
    margins: Mapping[str, float]
    seed: int
    confidence: float
    resamples: int

    @classmethod
    def of(
        cls, dataset: str, groups: Array, settings: Mapping[str, Any], *, nested: bool
    ) -> "Design":
        """Return the design of a data set, given the group of each of its images."""
        ours, seed = settings["statistics"], settings["seed"]
        return cls(
            nested,
            Resampling(groups, ours["resamples"], seed, "statistics", dataset),
            tuple(ours["primary"]),
            ours["margins"],
            seed,
            ours["confidence"],
            ours["resamples"],
        )

    def pools(self, networks: Networks) -> Iterator[tuple[str, Array, Array]]:
        """Yield each architecture and ``all``: (name, its networks (m,), weights (units, m)).

        A unit's value is its networks' values times its row of weights.
        """
        for name in np.unique(networks.architectures):
            found = np.flatnonzero(networks.architectures == name)
            yield str(name), found, np.eye(len(found))
        everything = np.arange(len(networks))
        if not self.nested:
            yield "all", everything, np.eye(len(networks))
            return
        same = (np.unique(networks.seeds)[:, None] == networks.seeds).astype(np.float64)
        yield "all", everything, same / same.sum(axis=1, keepdims=True)
