"""From an estimate with its interval to an outcome: pass, fail, inconclusive or reported.

Every rule takes the estimate, a threshold and a margin, and returns (outcome, reason). The first
condition that holds decides, so an interval above zero passes even if it lies within the margin.
"""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A number over units.

    Args:
        n: how many units.
        estimate: their mean.
        low: lower end of its interval; NaN without one.
        high: upper end.
        floor: 95 % quantile of the estimate's change with the noise replicate; NaN without streams.
    """

    n: int
    estimate: float
    low: float = np.nan
    high: float = np.nan
    floor: float = np.nan

    def widened(self, confidence: float, family: int) -> "Estimate":
        """Return the estimate with an interval that is one of a family (Bonferroni).

        Args:
            confidence: level of its interval now; afterwards that of all of the family together.
            family: how many intervals there are.
        """
        alpha = (1 - confidence) / np.array([1, family])
        now, then = stats.t.isf(alpha / 2, self.n - 1)
        low, high = (
            float(self.estimate + (end - self.estimate) * then / now)
            for end in (self.low, self.high)
        )
        return replace(self, low=low, high=high)


Outcome = tuple[str, str]
Rule = Callable[[Estimate, float, float], Outcome]
PASS, FAIL, INCONCLUSIVE, REPORTED = "pass", "fail", "inconclusive", "reported"


def _open(estimate: Estimate, holds: str) -> Outcome:
    if np.isnan(estimate.estimate):
        return INCONCLUSIVE, "no estimate"
    if np.isnan(estimate.low):
        return INCONCLUSIVE, f"no interval from n = {estimate.n}"
    return INCONCLUSIVE, f"the interval holds {holds}"


def positive(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """Predicted: above the threshold. Fails if the interval lies below it."""
    if estimate.low > threshold:
        return PASS, f"the interval lies above {threshold:g}"
    if estimate.high < threshold:
        return FAIL, f"the interval lies below {threshold:g}"
    return _open(estimate, f"{threshold:g}")


def positive_not_equal(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """Predicted: above zero. Fails below zero, or if it is equivalent to zero within the threshold.

    The threshold is the margin of equivalence: an interval within it says that the metric does not
    care. Without a margin (0) nothing is equivalent.
    """
    outcome, reason = positive(estimate, 0.0, margin)
    equal = threshold > 0 and -threshold <= estimate.low and estimate.high <= threshold
    if outcome == INCONCLUSIVE and equal:
        return FAIL, f"no difference: the interval lies within +-{threshold:g}"
    return outcome, reason


def not_positive(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """Predicted: not above zero by more than the threshold, the margin of equivalence.

    Fails if the interval lies above zero and the estimate above the noise floor, where there is
    one.
    """
    if estimate.high <= threshold:
        return PASS, f"the interval lies below {threshold:g}"
    if estimate.low > 0 and not estimate.estimate <= estimate.floor:
        return FAIL, "the interval lies above 0"
    if estimate.low > 0:
        return INCONCLUSIVE, "the interval lies above 0, the estimate within the noise floor"
    return _open(estimate, f"0 and {threshold:g}" if threshold else "0")


def exceeds(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """Predicted: above the threshold. Fails if it is surely not above threshold + margin."""
    if estimate.low > threshold:
        return PASS, f"the interval lies above {threshold:g}"
    if estimate.high < threshold + margin:
        return FAIL, f"the interval lies below {threshold + margin:g}"
    return _open(estimate, f"{threshold:g}")


def negative(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """Predicted: below the threshold. Fails if the interval lies above it."""
    if estimate.high < threshold:
        return PASS, f"the interval lies below {threshold:g}"
    if estimate.low > threshold:
        return FAIL, f"the interval lies above {threshold:g}"
    return _open(estimate, f"{threshold:g}")


def exact(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """Predicted: at most the threshold, in every comparison; there is no interval."""
    if not estimate.n:
        return INCONCLUSIVE, "nothing to compare"
    if estimate.estimate <= threshold:
        return PASS, f"at most {threshold:g} in all {estimate.n} comparisons"
    return FAIL, f"{estimate.estimate:.3g} found, at most {threshold:g} expected"


def reported(estimate: Estimate, threshold: float, margin: float) -> Outcome:
    """No prediction."""
    return REPORTED, "no prediction"


MOST = 10_000


def fails_among(
    rule: Rule, estimate: Estimate, threshold: float, margin: float, confidence: float
) -> int:
    """Return in how large a family of intervals a control still fails, 0 to ``MOST``.

    With many controls one fails by chance, however good the metric: a failure that is to count by
    itself has to hold at the level of all of them together. 0: it does not fail; a law that is
    broken is broken in any family.

    Source: Dunn 1961 (the first step of Holm's procedure, too).
    """

    def stands(family: int) -> bool:
        wide = estimate if np.isnan(estimate.low) else estimate.widened(confidence, family)
        return rule(wide, threshold, margin)[0] != FAIL

    if rule(estimate, threshold, margin)[0] != FAIL:
        return 0
    return bisect(range(1, MOST + 1), False, key=stands)
