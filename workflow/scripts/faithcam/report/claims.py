"""The claims of the published study, with its counts and this run's."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import stats

from faithcam.report import published
from faithcam.results.declared import THESIS
from faithcam.statistics.settings import MODEL, PAIR, where


@dataclass(frozen=True)
class Counts:
    """In how many cases a claim holds, fails, or cannot be decided because of a tie."""

    holds: int
    fails: int
    tied: int = 0

    @property
    def cases(self) -> int:
        """Number of cases."""
        return self.holds + self.fails + self.tied

    def p(self, ties: str) -> float:
        """Return the two-sided exact sign-test p-value, with ties ``dropped`` or ``against``."""
        cases = self.cases - (self.tied if ties == "dropped" else 0)
        return float(stats.binomtest(self.holds, cases).pvalue) if cases else np.nan


@dataclass(frozen=True)
class Claim:
    """A claim of the published study with its counts and those here."""

    text: str
    unit: str
    published: Counts
    here: Counts


def published_claims(statistics: pa.Table) -> list[Claim]:
    """Restate the published claims with the counts of this run.

    Thesis protocol, Flatten heads, networks of all data sets together; per network the mean over
    region sizes or radii. A tie is exact equality (published values have two decimals).

    Args:
        statistics: rows of ``STATISTICS``.

    Source: doi 10.1016/j.cmpb.2024.108238.
    """
    frame = statistics.to_pandas()
    frame = where(frame, protocol=THESIS, head="flatten", level="image")

    def counts(metric: str, sign: int) -> Counts:
        pair = (frame["method_a"] == PAIR[0]) & (frame["method_b"] == PAIR[1])
        chosen = frame[(frame["metric"] == metric) & pair]
        gains = sign * chosen.groupby(MODEL)["estimate"].mean().to_numpy()
        return Counts(int((gains > 0).sum()), int((gains < 0).sum()), int((gains == 0).sum()))

    ratio = frame[(frame["effect_name"] == "ratio") & frame["method_a"].isin(PAIR)]
    ratios = ratio["estimate"].to_numpy()
    below = Counts(int((ratios < 1).sum()), int((ratios > 1).sum()), int((ratios == 1).sum()))
    said = {metric: Counts(**cases) for metric, cases in published.claims().items()}
    return [
        Claim("AOPC is higher for HiResCAM", "networks", said["aopc"], counts("aopc", 1)),
        Claim(
            "Max-Sensitivity is lower for HiResCAM",
            "networks",
            said["max_sensitivity"],
            counts("max_sensitivity", -1),
        ),
        Claim("HAAS is below 1", "networks x maps", said["haas"], below),
    ]
