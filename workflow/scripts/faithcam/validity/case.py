"""One metric in one protocol on one data set: what a control measures."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from faithcam.core.setting import Setting
from faithcam.results.declared import STRICT, THESIS
from faithcam.validity.evidence import Evidence
from faithcam.validity.frames import counted, network_means, ok, wide
from faithcam.validity.outcomes import Estimate


@dataclass(frozen=True)
class Measured:
    """What a control measured.

    Args:
        setting: of the metric, or of the scores that it was measured on.
        estimate: the number.
    """

    setting: Setting
    estimate: Estimate


class Case:
    """One metric in one protocol on one data set.

    Attributes:
        scores: a row per network and image, a column per method, oriented so that larger is better;
            strict: NaN where the status is not ok.
        comparable: those scores that explain the class that truths are known for, the predicted
            one: where the label is explained, of correctly classified images.
    """

    def __init__(self, evidence: Evidence, protocol: str, metric: str, setting: Setting) -> None:
        self.evidence, self.settings = evidence, evidence.settings
        self.protocol, self.metric, self.setting = protocol, metric, setting
        self.sign = evidence.evaluations.sign(metric)
        rows = self._rows(setting)
        self.scores = self._oriented(rows)
        label = protocol == THESIS and metric != "aopc"
        self.comparable = self._oriented(rows[rows["correct"]]) if label else self.scores
        self.replicate = evidence.evaluations.replicate(evidence.dataset, protocol, metric, setting)
        second = self.replicate
        self._second = None if second is None else self._oriented(self._rows(second))

    def _rows(self, setting: Setting) -> pd.DataFrame:
        rows = counted(self.evidence.rows(self.metric, self.protocol, [setting]), self.metric)
        return ok(rows) if self.protocol == STRICT else rows

    def _oriented(self, rows: pd.DataFrame) -> pd.DataFrame:
        return self.sign * wide(rows)

    def has(self, *methods: str) -> bool:
        """Return whether all of these methods were scored."""
        return set(methods) <= set(self.scores)

    def difference(self, a: str, b: str) -> Estimate:
        """Return the mean paired difference a - b over units."""
        if self._second is None or not {a, b} <= set(self._second):
            return self.evidence.difference(self.scores, a, b)
        first, second = (scores[a] - scores[b] for scores in (self.scores, self._second))
        return self.evidence.over_units(network_means(first), (first - second).dropna())


Measure = Callable[[Case], list[Measured]]
