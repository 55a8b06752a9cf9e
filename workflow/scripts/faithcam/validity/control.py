"""A control: what is estimated, what a metric of faithfulness does, who may object.

Roles: ``required`` ones must pass for a metric to be called valid, and no required, ``control`` or
``positive`` one may fail. Positive controls judge the code and the truths rather than the metric.
``descriptive`` rows decide nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from faithcam.results.declared import PROTOCOLS
from faithcam.validity import outcomes
from faithcam.validity.case import Case, Measure
from faithcam.validity.outcomes import Rule

REQUIRED, CONTROL, POSITIVE, DESCRIPTIVE = "required", "control", "positive", "descriptive"
# why a control decides nothing in this case ("": it decides), and a remark on the outcome
Condition = Callable[[Case], tuple[str, str]]


@dataclass(frozen=True)
class Control:
    """One control.

    Args:
        name: in tables.
        role: see the module.
        measure: returns what is estimated, if the scores are there.
        prediction: of a metric of faithfulness.
        rule: from the estimate to the outcome.
        threshold: a number, or the config key that holds it: of ``validity``, or ``margins``, the
            metric's in ``statistics.margins``.
        margin: a number or such a key.
        metrics: that the control is for; none means all judged ones.
        but_not: metrics that it is not for.
        protocols: that it is for.
        condition: under which the control decides anything; else it is reported.
    """

    name: str
    role: str
    measure: Measure
    prediction: str = "none"
    rule: Rule = outcomes.reported
    threshold: str | float = 0.0
    margin: str | float = 0.0
    metrics: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    protocols: tuple[str, ...] = PROTOCOLS
    condition: Condition | None = None

    def is_for(self, metric: str, protocol: str) -> bool:
        """Return whether the control is for a judged metric in a protocol."""
        chosen = metric not in self.but_not and (not self.metrics or metric in self.metrics)
        return chosen and protocol in self.protocols
