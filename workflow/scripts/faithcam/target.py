"""Which score of a network a map explains. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Target = Literal["logit", "centred"]


def scores(logits: Tensor, classes: Tensor, target: Target) -> Tensor:
    """Return the scores explained, (N,).

    Args:
        logits: (N, C).
        classes: index of the class to explain, (N,).
        target: ``logit`` for y_c, ``centred`` for y_c - mean_j y_j.
    """
    chosen = logits.gather(1, classes[:, None])[:, 0]
    return chosen - logits.mean(1) if target == "centred" else chosen
