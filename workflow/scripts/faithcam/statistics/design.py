"""Design of the comparisons on one data set: units, resamples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from faithcam.statistics.intervals import Resampling
from faithcam.statistics.scores import Networks

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Design:
    """Design of a data set: its networks, seeds and images, and what is asked.

    Args:
        nested: whether each training seed draws its own images.
        resampling: of its images and networks.
        family: the metrics whose primary comparison is in the primary family.
        seed: the experiment's.
        confidence: level of all intervals.
        resamples: number of bootstrap resamples.
    """

    nested: bool
    resampling: Resampling
    family: tuple[str, ...]
    seed: int
    confidence: float
    resamples: int

    @classmethod
    def of(
        cls, dataset: str, groups: Array, settings: Mapping[str, Any], *, nested: bool
    ) -> "Design":
        """Return the design of a data set, given the group of each of its images."""
        configured, seed = settings["statistics"], settings["seed"]
        return cls(
            nested,
            Resampling(groups, configured["resamples"], seed, "statistics", dataset),
            tuple(configured["primary"]),
            seed,
            configured["confidence"],
            configured["resamples"],
        )

    def pools(self, networks: Networks) -> Iterator[tuple[str, Array, Array]]:
        """Yield each architecture and ``all``: (name, its networks (m,), weights (units, m)).

        A unit's value is its networks' values times its row of weights.
        """
        for name in np.unique(networks.architectures):
            members = np.flatnonzero(networks.architectures == name)
            yield str(name), members, np.eye(len(members))
        places = np.arange(len(networks))
        if not self.nested:
            yield "all", places, np.eye(len(networks))
            return
        same = (np.unique(networks.seeds)[:, None] == networks.seeds).astype(np.float64)
        yield "all", places, same / same.sum(axis=1, keepdims=True)


def groups_of(ids: Array, table: pa.Table | None) -> Array:
    """Return the group of each image: the data set's, or the image itself.

    Args:
        ids: image_ids.
        table: rows of ``DATA_TABLE``; None: each image is a group.
    """
    if table is None:
        return ids
    groups = dict(zip(table["image_id"].to_pylist(), table["group"].to_pylist(), strict=True))
    return np.array([groups[i] for i in ids.tolist()])
