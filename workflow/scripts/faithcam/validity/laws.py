"""Laws of the maps, the feature space and the patch net, which hold in every single comparison.

Every measure returns the worst violation, relative to the numbers compared: the largest of the
image, or of the network where rounding does not shrink with an image's own numbers.
"""

from typing import Any

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.statistics.settings import PAIR
from faithcam.validity import asked
from faithcam.validity.case import Case, Measure, Measured
from faithcam.validity.dose import by_dose
from faithcam.validity.frames import counted, key_of, ok, where, wide
from faithcam.validity.outcomes import Estimate
from faithcam.validity.ranks import Array


def _worst(violations: Array) -> Estimate:
    violations = violations[~np.isnan(violations)]
    return Estimate(len(violations), float(violations.max(initial=0.0)))


def _above(best: Any, others: pd.DataFrame) -> Estimate:
    """Return by how much any of ``others`` is larger than ``best``, relative to the network's."""
    largest = others.assign(best=best).abs().max(axis=1).groupby(level="network").transform("max")
    scale = largest.clip(lower=np.finfo(float).tiny).to_numpy()[:, None]
    return _worst(((others.to_numpy() - best.to_numpy()[:, None]) / scale).ravel())


def feature_space(case: Case) -> list[Measured]:
    """Return by how much another order of cells beats HiResCAM's in feature space."""
    scores = wide(case.evidence.rows("feature_aopc", settings=[asked.ORDERED]))
    others = [name for name in scores if name != "hirescam"]
    if "hirescam" not in scores or not others:
        return []
    return [Measured(asked.ORDERED, _above(scores["hirescam"], scores[others]))]


def feature_advantage(case: Case, a: str, b: str) -> Estimate:
    """Return the mean paired difference a - b in feature space over units."""
    rows = case.evidence.rows("feature_aopc", settings=[asked.ORDERED])
    return case.evidence.difference(wide(ok(counted(rows, case.metric))), a, b)


def feature_dose(case: Case) -> list[Measured]:
    """Return by how much D(t), HiResCAM - Grad-CAM in feature space, breaks its laws.

    D(0) = 0, D is convex in t (the best of linear functions minus a linear one) and monotone.
    """
    scores = by_dose(case.evidence.expanded("dose_response"), metric="feature_aopc")
    if not set(PAIR) <= set(scores):
        return []
    a, b = (scores[name] for name in PAIR)
    t = np.array(a.columns, float)
    D = (a - b).to_numpy()
    scale = pd.concat([a, b], axis=1).abs().max(axis=1).clip(lower=np.finfo(float).tiny)
    broken = [-np.diff(D)]
    if t[0] == 0:
        broken.append(np.abs(D[:, :1]))
    if len(t) > 2:
        share = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
        broken.append(D[:, 1:-1] - ((1 - share) * D[:, :-2] + share * D[:, 2:]))
    violations = np.concatenate(broken, axis=1) / scale.to_numpy()[:, None]
    return [Measured(Setting.of(metric="feature_aopc"), _worst(violations.ravel()))]


def gap_twins(case: Case) -> list[Measured]:
    """Return how many scores of the two maps differ with GAP heads, where the maps are the same."""
    settings = [case.setting, *([] if case.replicate is None else [case.replicate])]
    rows = case.evidence.rows(case.metric, case.protocol, settings, head="gap")
    rows = rows[rows["method"].isin(PAIR)]
    key = ["setting", *key_of(rows)]
    rows = rows.assign(method=rows["method"].astype(str))
    values = rows.pivot(index=key, columns="method", values=["value", "status"])
    if not len(values):
        return []
    (a, b) = (values.xs(name, axis=1, level="method") for name in PAIR)
    same = (a["value"] == b["value"]) | (a["value"].isna() & b["value"].isna())
    same &= a["status"] == b["status"]
    return [Measured(case.setting, Estimate(len(same), float((~same).sum())))]


def haas_blank(case: Case) -> list[Measured]:
    """Return how many predictions a blank map changes, with both heads."""
    kept = asked.kept(case.setting)
    rows = pd.concat(
        [case.evidence.rows("haas", settings=[kept], head=head) for head in ("flatten", "gap")]
    )
    changed = (rows.loc[rows["method"] == "null_blank", "value"] != 1).to_numpy(float)
    return [Measured(kept, Estimate(len(changed), float(changed.sum())))] if len(changed) else []


def completed_ranks(case: Case) -> list[Measured]:
    """Return in which share of images the gap, spread evenly, changes Grad-CAM's score."""
    names = ("completed_gradcam", "gradcam")
    if not case.has(*names):
        return []
    difference = (case.scores[names[0]] - case.scores[names[1]]).dropna()
    return [Measured(case.setting, Estimate(len(difference), float((difference != 0).mean())))]


def _dead_zone(case: Case) -> pd.DataFrame:
    rows = where(case.evidence.expanded("dose_response"), **asked.DEAD_ZONE)
    return wide(ok(rows)) if len(rows) else pd.DataFrame()


def dead_zone(case: Case) -> list[Measured]:
    """Return the largest share of HiResCAM in cells whose weights are zero."""
    shares = _dead_zone(case)
    if "hirescam" not in shares:
        return []
    return [Measured(asked.DEAD_ZONE, _worst(shares["hirescam"].to_numpy()))]


def dead_zone_gradcam(case: Case) -> list[Measured]:
    """Return the mean share of Grad-CAM in cells whose weights are zero."""
    shares = _dead_zone(case)
    if "gradcam" not in shares:
        return []
    means = shares["gradcam"].groupby(level="network").mean()
    return [Measured(asked.DEAD_ZONE, case.evidence.over_units(means))]


def _patch_net(case: Case) -> list[tuple[str, pd.DataFrame]]:
    """Return, by imputer, AOPC on the logit where the best order is known: the oracle's."""
    rows = where(case.evidence.expanded("patch_net"), output="logit")
    if rows.empty:
        return []
    tables_of = ((str(name), wide(part)) for name, part in rows.groupby("imputer", observed=True))
    return [(name, scores) for name, scores in tables_of if "oracle" in scores]


def patch_net(case: Case) -> list[Measured]:
    """Return, by imputer, by how much another order beats the oracle's."""
    return [
        Measured(
            Setting.of(imputer=imputer, output="logit"),
            _above(scores["oracle"], scores.drop(columns="oracle")),
        )
        for imputer, scores in _patch_net(case)
    ]


def patch_net_share(method: str) -> Measure:
    """Return the measure: AOPC of a method / AOPC of the oracle, by imputer, over networks."""

    def measure(case: Case) -> list[Measured]:
        measured = []
        for imputer, scores in _patch_net(case):
            if method in scores:
                means = scores[[method, "oracle"]].dropna().groupby(level="network").mean()
                share = means[method] / means["oracle"].where(means["oracle"] > 0)
                setting = Setting.of(imputer=imputer, output="logit")
                measured.append(Measured(setting, case.evidence.over_units(share)))
        return measured

    return measure
