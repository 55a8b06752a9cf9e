"""Agreement of a metric's preferences with a truth's, image by image.

Two truths: Shapley values of parts (rank agreement of a map with the exact contributions of the
image's parts) and the perfect imputer (AOPC whose regions are replaced by the image without the
parts).
"""

from typing import Any

import numpy as np
import pandas as pd

from faithcam.statistics.settings import PAIR
from faithcam.truth.parts import kendall
from faithcam.validity import asked
from faithcam.validity.case import Case, Measure, Measured
from faithcam.validity.frames import counted, ok, wide
from faithcam.validity.outcomes import Estimate
from faithcam.validity.ranks import Array, auc

ROUNDING = 1e-6  # of float32 logits, relative to the network's largest score
FEWEST = 5  # images of each sign for a balanced agreement
FEWEST_AUC = 20
ORDERED = 3  # planted parts, of which fewer are in one order whatever is asked


def difference(a: str, b: str) -> Measure:
    """Return the measure: mean paired difference of the metric's scores of two methods."""

    def measure(case: Case) -> list[Measured]:
        return [Measured(case.setting, case.difference(a, b))] if case.has(a, b) else []

    return measure


def balanced_agreement(preference: Array, truth: Array) -> float:
    """Return the mean of sensitivity and specificity of a preference's sign.

    Args:
        preference: (n,) differences of the metric; a tie counts half.
        truth: (n,) differences of the truth, none of them zero.

    Returns:
        0.5 by chance; NaN with fewer than ``FEWEST`` images of either sign.
    """
    agrees = (1 + np.sign(preference) * np.sign(truth)) / 2
    if min((truth > 0).sum(), (truth < 0).sum()) < FEWEST:
        return np.nan
    return float((agrees[truth > 0].mean() + agrees[truth < 0].mean()) / 2)


def area_under_curve(preference: Array, truth: Array) -> float:
    """Return the AUC of a preference for the truth's sign.

    Arguments as in :func:`balanced_agreement`; NaN with fewer than ``FEWEST_AUC`` images of either
    sign.
    """
    if min((truth > 0).sum(), (truth < 0).sum()) < FEWEST_AUC:
        return np.nan
    return auc(preference, truth > 0)


def _gold_difference(case: Case) -> Any:
    """Return the parts' preference, where it is larger than what the decoys' texture changes."""
    streams = case.evidence.part_shapley(case.protocol)
    if not all(set(PAIR) <= set(part_shapley) for part_shapley in streams):
        return None
    first, second = (part_shapley[PAIR[0]] - part_shapley[PAIR[1]] for part_shapley in streams)
    mean = (first + second) / 2
    return mean[mean.abs() > (first - second).abs()]


def _perfect(case: Case, protocol: str = "strict") -> pd.DataFrame:
    """Return the AOPC, with the perfect imputer, of the maps that a protocol explains."""
    setting = case.evidence.rerendered
    settings = [] if setting is None else [asked.of_gauge(setting, protocol)]
    rows = case.evidence.rows("aopc", settings=settings)
    return wide(ok(counted(rows, case.metric)))


def _perfect_difference(case: Case) -> Any:
    """Return the perfect imputer's preference, where it is more than rounding of the logits."""
    scores = _perfect(case, case.protocol)
    if not set(PAIR) <= set(scores):
        return None
    preference = scores[PAIR[0]] - scores[PAIR[1]]
    largest = scores[list(PAIR)].abs().max(axis=1).groupby(level="network").transform("max")
    return preference[preference.abs() > ROUNDING * largest]


def _by_network(case: Case, truth: Any, score: Any) -> list[Measured]:
    if truth is None or not case.has(*PAIR):
        return []
    preference = case.comparable[PAIR[0]] - case.comparable[PAIR[1]]
    both = pd.DataFrame({"preference": preference, "truth": truth}).dropna()
    values = {
        network: score(part["preference"].to_numpy(), part["truth"].to_numpy())
        for network, part in both.groupby(level="network")
    }
    return [Measured(case.setting, case.evidence.over_units(pd.Series(values, dtype=float)))]


def agreement(case: Case) -> list[Measured]:
    """Return the balanced agreement of the metric's preference with the parts' Shapley values'."""
    return _by_network(case, _gold_difference(case), balanced_agreement)


def agreement_auc(case: Case) -> list[Measured]:
    """Return the AUC of the metric's preference for the sign of the parts' Shapley values'."""
    return _by_network(case, _gold_difference(case), area_under_curve)


def agreement_where(*, consistent: bool) -> Measure:
    """Return the measure :func:`agreement` on the images whose parts' orders agree, or disagree.

    Nothing where the orders agree in all images.
    """

    def measure(case: Case) -> list[Measured]:
        orders, truth = case.evidence.orders["consistent"], _gold_difference(case)
        if truth is None or orders.all():
            return []
        chosen = truth.index.intersection(orders.index[orders == consistent])
        measured = _by_network(case, truth.loc[chosen], balanced_agreement)
        return [each for each in measured if each.estimate.n]

    return measure


def part_shapley_inconsistent(case: Case) -> list[Measured]:
    """Return the share of images whose parts are in another order by another question.

    The questions are Shapley values, leave-one-out and add-one-in; nothing where no image has
    enough parts to disagree about.
    """
    orders = case.evidence.orders
    if not (orders["parts"] >= ORDERED).any():
        return []
    share = 1 - orders["consistent"].groupby(level="network").mean()
    return [Measured(asked.part_shapley(0), case.evidence.over_units(share))]


def perfect_imputer(case: Case) -> list[Measured]:
    """Return the balanced agreement of the metric's preference with the perfect imputer's."""
    return _by_network(case, _perfect_difference(case), balanced_agreement)


def perfect_advantage(case: Case, a: str, b: str) -> Estimate:
    """Return the mean paired difference a - b in AOPC with the perfect imputer over units."""
    return case.evidence.difference(_perfect(case), a, b)


def perfect_imputer_sham(case: Case) -> list[Measured]:
    """Return HiResCAM - sham in AOPC with the perfect imputer."""
    advantage = perfect_advantage(case, "hirescam", "sham")
    setting = case.evidence.rerendered
    return [Measured(setting, advantage)] if setting is not None and advantage.n else []


def tau(case: Case) -> list[Measured]:
    """Return Kendall's tau-b of metric and parts over all maps of an image, mean per network."""
    first, second = case.evidence.part_shapley(case.protocol)
    part_shapley = (first + second) / 2
    methods = [name for name in part_shapley if name in case.comparable]
    images = part_shapley.index.intersection(case.comparable.index)
    if len(methods) < 3 or images.empty:
        return []
    tables = (table.loc[images, methods].to_numpy() for table in (case.comparable, part_shapley))
    means = pd.Series(kendall(*tables), images).groupby(level="network").mean()
    return [Measured(case.setting, case.evidence.over_units(means))]
