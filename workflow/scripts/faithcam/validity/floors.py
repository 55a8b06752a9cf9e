"""Floors: how concordant metrics are that never ask the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faithcam.core.errors import FaithcamError
from faithcam.validity.measured import BLIND, Asked, Measured, nan_mean
from faithcam.validity.readings import Array, NetworkKey


@dataclass(frozen=True)
class Floor:
    """The best blind metric of one network, family and estimand.

    Args:
        kind: which one it is.
        concordance: its mean over images.
        c: its concordance of each image, (I,).
    """

    kind: str
    concordance: float
    c: Array


def floors(
    measured: Measured, asked: Asked, networks: Sequence[NetworkKey], of: str
) -> dict[int, Floor]:
    """Return the floor of each network: the largest mean over images of a blind metric's C.

    Args:
        measured: concordance with one estimand in one family.
        asked: what was asked.
        networks: their names.
        of: data set and family, for the message.

    Raises:
        FaithcamError: if a network has no scores of a blind metric.
    """
    best = {}
    for number, (_, c) in measured.c.items():
        means = nan_mean(c)[asked.blind]
        if not np.isfinite(means).any() and np.isfinite(c).any():
            raise FaithcamError(
                f"concordance of {of}, {'/'.join(map(str, networks[number]))}: no score of the "
                f"metric {BLIND!r} found, but without a floor no concordance can be judged; add "
                f"{BLIND} to the metrics"
            )
        if np.isfinite(means).any():
            place = asked.blind[int(np.nanargmax(means))]
            kind = asked.declared[place].setting["kind"]
            best[number] = Floor(kind, float(np.nanmax(means)), c[place])
    return best
