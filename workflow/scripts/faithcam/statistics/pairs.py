"""Paired differences of two methods, and their noise floors."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from faithcam.statistics import floor
from faithcam.statistics.scores import Networks, Scores

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Pair:
    """The paired differences of two methods, of the networks that have any.

    Args:
        names: method_a and method_b.
        networks: M of them.
        differences: of images (M, I), NaN where one does not count.
        findings: the same of an image's findings (M, P); of one label per image it is the same.
        changes: of the differences between the noise replicates (M, I), or nothing.
        per_network: whether one draw moves all images of a network together.
        places: where the networks are among the setting's.
    """

    names: tuple[str, str]
    networks: Networks
    differences: Array
    findings: Array
    changes: Array | None
    per_network: bool
    places: Array

    @classmethod
    def of(
        cls, scores: Scores, replicate: Scores | None, names: tuple[str, str], *, per_network: bool
    ) -> "Pair | None":
        """Return the pair, or nothing if no image has scores of both methods.

        Args:
            scores: of one metric and setting.
            replicate: the same under the second noise replicate, if there is one.
            names: method_a and method_b.
            per_network: whether one draw moves all images of a network together.
        """
        if not set(names) <= set(scores.values):
            return None
        findings = scores.differences(*names)
        differences = scores.of_images(findings)
        places = np.flatnonzero((~np.isnan(differences)).any(axis=1))
        if not len(places):
            return None
        changes = None
        if replicate and set(names) <= set(replicate.values):
            changes = scores.of_images(findings - replicate.differences(*names))[places]
        return cls(
            names,
            scores.networks.at(places),
            differences[places],
            findings[places],
            changes,
            per_network,
            places,
        )

    @property
    def counts(self) -> Array:
        """Number of images of each network (M,)."""
        return np.asarray((~np.isnan(self.differences)).sum(axis=1))

    @property
    def means(self) -> Array:
        """Mean difference of each network (M,)."""
        return np.asarray(np.nansum(self.differences, axis=1) / self.counts)

    def floor(self, chosen: Array, weights: Array) -> float:
        """Return the floor of a weighted mean of some networks; NaN without a second replicate."""
        if self.changes is None:
            return np.nan
        if self.per_network:
            return floor.of_draws(self.changes[chosen], weights)
        return floor.of_mean(floor.of_networks(self.changes[chosen], self.counts[chosen]), weights)

    def floor_of(self, place: int) -> float:
        """Return the floor of one network's mean."""
        return self.floor(np.array([place]), np.ones(1))
