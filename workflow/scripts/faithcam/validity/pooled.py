"""Numbers of several data sets together: a random-effects mean.

Source: DerSimonian and Laird 1986, 10.1016/0197-2456(86)90046-2; I^2: Higgins and Thompson 2002,
10.1002/sim.1186; prediction interval: Higgins, Thompson and Spiegelhalter 2009,
10.1111/j.1467-985X.2008.00552.x.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from faithcam.statistics.intervals import NOTHING, Interval, around

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Pooled:
    """A mean over data sets.

    Args:
        estimate: the mean, weighted by the inverse of each data set's variance.
        error: its standard error.
        variance: between data sets; NaN for fewer than two.
        i_squared: share of the spread of the estimates that is between data sets, 0 to 1.
        count: number of data sets.
    """

    estimate: float
    error: float
    variance: float
    i_squared: float
    count: int

    def interval(self, confidence: float) -> Interval:
        """Return Student's interval of the mean; NaN for fewer than two data sets."""
        return around(self.estimate, self.error, self.count - 1, confidence)

    def prediction(self, confidence: float) -> Interval:
        """Return where another data set's number is expected; NaN for fewer than three."""
        if self.count < 3:
            return NOTHING
        spread = float(np.sqrt(self.variance + self.error**2))
        return around(self.estimate, spread, self.count - 2, confidence)


def pooled(estimates: Array, errors: Array) -> Pooled:
    """Return the random-effects mean of some data sets.

    Args:
        estimates: one per data set, (k,).
        errors: their standard errors, (k,), > 0.
    """
    k = len(estimates)
    weights = 1 / errors**2
    if k < 2:
        return Pooled(float(estimates.sum()), float(errors.sum()), np.nan, np.nan, k)
    mean = (weights * estimates).sum() / weights.sum()
    q = float((weights * (estimates - mean) ** 2).sum())  # Cochran's
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    variance = max(0.0, (q - (k - 1)) / scale)
    i_squared = max(0.0, (q - (k - 1)) / q) if q else 0.0
    weights = 1 / (errors**2 + variance)
    mean = (weights * estimates).sum() / weights.sum()
    return Pooled(float(mean), float(weights.sum() ** -0.5), float(variance), i_squared, k)
