"""Damage ladders: does the metric fall when HiResCAM is damaged step by step?

How bad a damage is, is told by two truths: the loss of feature-space AOPC and of AOPC with the
perfect imputer.
"""

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.validity.case import Case, Measure, Measured
from faithcam.validity.frames import counted, ok, where, wide
from faithcam.validity.ranks import spearman

LADDERS = ("noise", "shift", "inversion")
TRUTHS = ("feature_aopc", "rerendered")
FEWEST_DRAWS = 10
STEP = ["step", "draw"]


def damage(ladder: str) -> Measure:
    """Return the measure: Spearman's correlation of metric and damage, per image.

    Over all steps and draws of the ladder, undamaged map included; mean over a network's images.
    A metric that says the same of all steps does not see the damage: 0. Images in which the truth
    says that nothing was damaged are left out.
    """

    def measure(case: Case) -> list[Measured]:
        rows = _ladder(case, ladder)
        scores = wide(where(rows, metric=case.metric), STEP) if len(rows) else pd.DataFrame()
        measured = []
        for truth in TRUTHS:
            chosen = where(rows, metric=truth)
            if scores.empty or chosen.empty:
                continue
            kept = wide(chosen, STEP)
            images = kept.index.intersection(scores.index)
            steps = kept.columns.intersection(scores.columns)
            metric = case.sign * scores.loc[images, steps].to_numpy()
            # damage is the loss of what was kept, so its ranks are those of -kept
            lost = -kept.loc[images, steps].to_numpy()
            values = spearman(metric, lost)
            blind = (np.nanmax(metric, 1) == np.nanmin(metric, 1)) & (
                np.nanmax(lost, 1) > np.nanmin(lost, 1)
            )
            means = pd.Series(np.where(blind, 0, values), images).groupby(level="network").mean()
            setting = Setting.of(ladder=ladder, metric=case.metric, truth=truth)
            measured.append(Measured(setting, case.evidence.over_units(means)))
        return measured

    return measure


def draws(case: Case, ladder: str) -> int:
    """Return how many keyed damages a step of the ladder has."""
    rows = _ladder(case, ladder)
    return rows.loc[rows["step"] != "0", "draw"].nunique() if len(rows) else 0


def _ladder(case: Case, ladder: str) -> pd.DataFrame:
    rows = counted(ok(case.evidence.expanded("damage_ladder")), case.metric)
    return where(rows, method="hirescam", ladder=ladder)
