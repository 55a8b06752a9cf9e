"""Power of the t test: the difference that it detects, and the units that detect the margin."""

from functools import cache

import numpy as np
from statsmodels.stats.power import TTestPower

POWER = 0.8
FEW = 10


@cache
def detectable(n: int, alpha: float) -> float:
    """Return the smallest mean, in standard deviations, that a t test detects with 80 % power.

    Args:
        n: number of units, at least 2.
        alpha: two-sided level of the one-sample t test, not adjusted for other tests.
    """
    return float(TTestPower().solve_power(nobs=n, alpha=alpha, power=POWER))


def units_needed(effect: float, alpha: float) -> float:
    """Return how many units detect a mean of ``effect`` standard deviations with 80 % power.

    Returns:
        A whole number, at least 2; NaN if the effect is not a number.
    """
    if np.isnan(effect):
        return np.nan
    # with two or three units the solver for their number is not reliable
    few = [n for n in range(2, FEW) if detectable(n, alpha) <= effect]
    if few:
        return few[0]
    needed = TTestPower().solve_power(effect_size=effect, alpha=alpha, power=POWER)
    return float(np.ceil(needed))
