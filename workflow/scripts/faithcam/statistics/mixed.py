"""A mixed model of the mean paired differences of networks and classes.

One data set at a time, so the data set is a fixed factor with everything its own::

    difference = mean + architecture + class + network + residual

with architecture and class fixed and a random intercept of the network; where each training seed
draws its own images, also one of the seed that the architectures share. Fixed factors have
sum-to-zero contrasts: the mean weighs all architectures and all classes alike. Degrees of freedom
are those of the strata (between networks, within networks), so that in a balanced design without a
singular fit the t and F tests are the exact ones of the analysis of variance.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

from faithcam.statistics.intervals import around

Array = np.ndarray[Any, np.dtype[np.float64]]

FROM_NETWORKS = 6


@dataclass(frozen=True)
class Effect:
    """An estimated mean, or a tested factor.

    Args:
        factor: nothing for the mean, ``architecture`` or ``class``.
        estimate: the mean; of a factor: largest - smallest effect of its levels.
        low: lower end of the mean's interval; NaN for a factor.
        high: upper end.
        p: two-sided, of the mean being zero or all levels being equal.
        effect: of the mean: share of the random variance that is between networks; of a factor: F.
        text: the model, and what is wrong with the fit.
    """

    factor: str
    estimate: float
    low: float
    high: float
    p: float
    effect: float
    text: str


def fit(means: pd.DataFrame, confidence: float, *, nested: bool) -> list[Effect]:
    """Fit the model and return the mean, then each factor of at least two levels.

    Args:
        means: ``value`` of each network and class, with ``architecture``, ``seed`` and ``class``.
        confidence: level of the interval.
        nested: whether each training seed draws its own images.

    Returns:
        Nothing for fewer than six networks. A fit that is singular (no variance between networks
        beyond what that within them explains) or has not converged says so in its text; one that
        cannot be made has NaN.
    """
    architecture, classes = means["architecture"].to_numpy(), means["class"].to_numpy()
    network = means.groupby(["architecture", "seed"]).ngroup().to_numpy()
    networks, architectures = len(set(network)), len(set(architecture))
    if networks < FROM_NETWORKS:
        return []
    blocks = {"": np.ones((len(means), 1))}
    for factor, levels in (("architecture", architecture), ("class", classes)):
        if len(set(levels)) > 1:
            blocks[factor] = _contrasts(levels)
    shared = nested and architectures > 1
    groups = means["seed"].to_numpy() if shared else network
    scale = float(means["value"].std())
    below = networks - architectures  # degrees of freedom between networks
    freedom = {"": below, "architecture": below}
    freedom["class"] = len(means) - networks - (len(set(classes)) - 1)
    if shared:
        freedom[""] = len(set(groups)) - 1
        freedom["architecture"] = below - freedom[""]
    values = means["value"].to_numpy()
    fit = _solve(values / scale, blocks, groups, network if shared else None) if scale else None
    if fit is None:
        text = "mixed model: no fit, all means are the same" if not scale else _TEXT["none"]
        nothing = (np.nan, np.nan, np.nan, np.nan, np.nan)
        return [Effect(name, *nothing, text) for name in blocks]
    coefficients, covariance, share, text = fit
    effects = []
    start = 0
    for name, block in blocks.items():
        part = slice(start, start + block.shape[1])
        start = part.stop
        b, v = coefficients[part], covariance[part, part]
        f = float(b @ np.linalg.solve(v, b)) / len(b)
        p = float(stats.f.sf(f, len(b), freedom[name])) if freedom[name] > 0 else np.nan
        if name:
            levels = np.append(b, -b.sum())
            spread = scale * float(np.ptp(levels))
            effects.append(Effect(name, spread, np.nan, np.nan, p, f, text))
        else:
            mean, error = scale * float(b[0]), scale * float(np.sqrt(v[0, 0]))
            interval = around(mean, error, freedom[name], confidence)
            effects.append(Effect(name, mean, *interval, p, share, text))
    return effects


_TEXT = {
    "fine": "mixed model (REML)",
    "singular": "mixed model (REML), singular: a random intercept has no variance",
    "open": "mixed model (REML), not converged",
    "none": "mixed model: no fit, singular matrix",
}
_SINGULAR = 1e-6


def _contrasts(levels: np.ndarray[Any, Any]) -> Array:
    """Return sum-to-zero contrasts of a factor: (n,) -> (n, levels - 1)."""
    indicators = (levels[:, None] == np.unique(levels)).astype(np.float64)
    return np.asarray(indicators[:, :-1] - indicators[:, -1:])


def _solve(
    values: Array,
    blocks: dict[str, Array],
    groups: np.ndarray[Any, Any],
    networks: np.ndarray[Any, Any] | None,
) -> tuple[Array, Array, float, str] | None:
    """Return coefficients, their covariance, the networks' share of the variance, and a text."""
    design = np.column_stack(list(blocks.values()))
    inside = None
    if networks is not None:
        columns = [np.unique(networks[groups == group]) for group in np.unique(groups)]
        matrices = [
            (networks[groups == group][:, None] == column).astype(np.float64)
            for group, column in zip(np.unique(groups), columns, strict=True)
        ]
        inside = VCSpec(["network"], [[list(map(str, c)) for c in columns]], [matrices])
    model = MixedLM(values, design, groups, np.ones((len(values), 1)), exog_vc=inside)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            # the first method finds an edge (no variance), too, where slopes mislead the others
            result = model.fit(reml=True, method=["powell", "lbfgs"])
        except np.linalg.LinAlgError:
            return None
    size = design.shape[1]
    random = np.append(np.diag(result.cov_re), result.vcomp)
    text = _TEXT["fine" if result.converged else "open"]
    if random.min() < _SINGULAR * result.scale:
        text = _TEXT["singular"]
    share = float(random.sum() / (random.sum() + result.scale))
    covariance = np.asarray(result.cov_params())[:size, :size]
    return np.asarray(result.fe_params), covariance, share, text
