"""Contributions of cells to a score: the truth that maps and metrics are held against.

An estimand names what a removed cell shows instead (:mod:`faithcam.truth.estimands`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEAST_RELIABILITY = 0.9  # below it nothing is concluded


@dataclass(frozen=True)
class Truth:
    """Shapley values of the cells of some images, for one estimand.

    Args:
        values: (N, h, w) float64, the mean over all permutations.
        halves: (2, N, h, w) float64, over either half of the permutations; equal to ``values``
            where they are exact.
        reliability: of ``values``, (N,) float64: the halves' rank correlation, Spearman-Brown; 1
            where they are exact, NaN where it is not defined.
        score: s(x), (N,) float64.
        reference_score: mean of s(r) over the references drawn, (N,) float64; the values add up to
            the difference.
        permutations: how many each image's values are the mean of, (N,) int64; 0 where exact.
    """

    values: Tensor
    halves: Tensor
    reliability: Tensor
    score: Tensor | None = None
    reference_score: Tensor | None = None
    permutations: Tensor | None = None

    @property
    def resolved(self) -> Tensor:
        """Whether something may be concluded from an image, (N,) bool."""
        return self.reliability >= LEAST_RELIABILITY
