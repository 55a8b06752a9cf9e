"""Scores of a network that maps explain. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

ExplainedScore = Literal["logit", "centred"]


def scores(logits: Tensor, classes: Tensor, explained_score: ExplainedScore) -> Tensor:
    """Return the scores explained, (N,).

    Args:
        logits: (N, C).
        classes: index of the class to explain, (N,).
        explained_score: ``logit`` for y_c, ``centred`` for y_c - mean_j y_j.
    """
    chosen = logits.gather(1, classes[:, None])[:, 0]
    return chosen - logits.mean(1) if explained_score == "centred" else chosen


def probabilities(logits: Tensor, *, multi_label: bool = False) -> Tensor:
    """Return the probabilities of logits (..., C) in float64.

    Args:
        logits: of any shape whose last axis are the classes.
        multi_label: whether an image has any number of the classes: sigmoid instead of softmax.
    """
    exact = logits.double()
    return exact.sigmoid() if multi_label else exact.softmax(-1)


def answers(logits: Tensor, classes: Tensor, *, multi_label: bool = False) -> Tensor:
    """Return what the network answers, (N,): the class with the largest logit.

    Args:
        logits: (N, C).
        classes: index of the class explained, (N,).
        multi_label: whether an image has any number of the classes; the answer is then the class
            explained if its logit is positive (detected), else -1.
    """
    if not multi_label:
        return logits.argmax(1)
    return classes.where(scores(logits, classes, "logit") > 0, -1)
