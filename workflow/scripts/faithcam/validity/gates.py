"""Gates: what the judge must say of scores whose concordance is known; if not, it is broken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from faithcam.core.errors import FaithcamError

Array = np.ndarray[Any, np.dtype[np.float64]]

TRUTH, INVERSE, RANDOM = "the truth itself", "the truth inverted", "random numbers"
EXPECTED = {TRUTH: 1.0, INVERSE: 0.0, RANDOM: 0.5}
EXACT = 1e-9
RARE = 1e-6  # probability that random numbers miss their gate
FEWEST = 10  # images below which random numbers decide nothing


@dataclass(frozen=True)
class Gate:
    """One gate.

    Args:
        name: whose concordance it is.
        actual: the mean over images, or the value of the worst image where the law is exact.
        expected: what it must be.
        tolerance: how far it may be off.
        images: how many images it is over.
    """

    name: str
    actual: float
    expected: float
    tolerance: float
    images: int

    @property
    def passed(self) -> bool:
        """Whether the concordance is what it must be, or there is none."""
        return not abs(self.actual - self.expected) > self.tolerance


def gates(known: Mapping[str, Array]) -> list[Gate]:
    """Return the gates of one data set, family and estimand.

    Args:
        known: concordance of each image, (n,), NaN where there is none, by name: those in
            ``EXPECTED``; any other one must be 1/2 exactly.
    """
    rows = []
    for name, values in known.items():
        c, expected = values[~np.isnan(values)], EXPECTED.get(name, 0.5)
        if name == RANDOM:
            tolerance = np.inf
            if len(c) >= FEWEST:
                error = c.std(ddof=1) / np.sqrt(len(c))
                tolerance = float(stats.t.isf(RARE / 2, len(c) - 1)) * float(error)
            actual = float(c.mean()) if len(c) else np.nan
        else:
            tolerance = EXACT
            actual = float(c[np.abs(c - expected).argmax()]) if len(c) else np.nan
        rows.append(Gate(name, actual, expected, tolerance, len(c)))
    return rows


def hold(rows: Iterable[Gate], of: str) -> None:
    """Check gates.

    Args:
        rows: the gates.
        of: data set, family and estimand, for the message.

    Raises:
        FaithcamError: if one is broken.
    """
    for gate in rows:
        if not gate.passed:
            raise FaithcamError(
                f"concordance of {of}: {gate.name} found {gate.actual:.6g}, expected "
                f"{gate.expected:g} within {gate.tolerance:.2g} ({gate.images} images); the "
                "judge or the scores it read are broken, so nothing is judged: compare the rows "
                "of truth_agreement and blind with the maps"
            )
