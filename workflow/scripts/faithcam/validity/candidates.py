"""Candidates: maps whose distance from the truth is known, made of the truth itself.

A candidate's name is ``ESTIMAND.truth`` or ``ESTIMAND.damaged_STEP_DRAW``, such as
``background.damaged_0.25_3``: the estimand whose contributions it holds, the share of noise, the
draw of it. The estimand ends at the first dot. :func:`damaged` names them without the estimand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from faithcam.core.seeding import Noise
    from faithcam.truth.contributions import Truth

STEPS, DRAWS = (0.25, 0.5, 0.75, 1.0), 5
TRUTH = "truth"
_NAME = re.compile(r"([A-Za-z0-9_]+)\.(?:truth|damaged_(\d+(?:\.\d+)?)_(\d+))")


class Candidate(NamedTuple):
    """Parts of a candidate's name.

    Args:
        estimand: whose contributions the map holds.
        step: share of noise; 0: the truth itself.
        draw: of the noise.
    """

    estimand: str
    step: float = 0.0
    draw: int = 0


def name(estimand: str, step: float = 0.0, draw: int = 0) -> str:
    """Return a candidate's name, the inverse of :func:`parse`."""
    return f"{estimand}.{_short(step, draw)}"


def _short(step: float, draw: int) -> str:
    return f"damaged_{step:g}_{draw}" if step else TRUTH


def parse(text: str) -> Candidate | None:
    """Return what a name says; None if it is no candidate's."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    estimand, step, draw = match.groups()
    return Candidate(estimand, float(step or 0), int(draw or 0))


def damaged(
    truth: Tensor, noise: Noise, steps: Sequence[float] = STEPS, draws: int = DRAWS
) -> dict[str, Tensor]:
    """Return the truth and its damaged versions: its own values, rearranged towards noise.

    The noise has the truth's DCT-II amplitudes under keyed random signs, so that it is as smooth.
    A step mixes both, standardised, and the truth's values take the ranks of the mixture: all
    candidates have one histogram. Two estimands get the same signs.

    Args:
        truth: contributions of the cells (N, h, w).
        noise: of the images.
        steps: shares of noise, above 0 to 1.
        draws: of the noise, per step.

    Returns:
        Maps (N, h, w) by name, ``truth`` first, in the dtype of ``truth``.
    """
    from faithcam.maps.arrangement import mixed, rearranged
    from faithcam.maps.methods.smoothness import random_signs

    candidates = {TRUTH: truth}
    for draw in range(draws):
        other = random_signs(truth, noise.uniform("concordance signs", draw, truth.shape[1:]))
        for step in steps:
            candidates[_short(step, draw)] = rearranged(truth, mixed(truth, other, step))
    return candidates


def of_truths(
    truths: Mapping[str, Truth],
    noise: Noise,
    estimands: Sequence[str],
    steps: Sequence[float] = STEPS,
    draws: int = DRAWS,
) -> dict[str, Tensor]:
    """Return the candidates of some estimands by name, ``ESTIMAND.truth`` first: (N, h, w) float32.

    Args:
        truths: contributions of the cells, by estimand.
        noise: see :func:`damaged`, as steps and draws.
        estimands: whose candidates are made.
        steps: see there.
        draws: see there.
    """
    return {
        f"{estimand}.{short}": maps.float()  # as stored maps are
        for estimand in estimands
        for short, maps in damaged(truths[estimand].values, noise, steps, draws).items()
    }
