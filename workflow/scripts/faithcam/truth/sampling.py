"""Sampled Shapley values: permutations in antithetic pairs, until they are reliable.

A pair is an order of removal and its reverse, each with a reference of its own where references
are drawn. An image's permutations are evaluated by themselves: nothing depends on other images.

Source: see :mod:`faithcam.removal.permutations`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from faithcam.core.explained import scores
from faithcam.core.ranks import ranks, spearman
from faithcam.removal import permutations
from faithcam.results.laws import Check
from faithcam.truth.contributions import Truth
from faithcam.truth.estimands import Estimand
from faithcam.truth.game import TOLERANCE, Game


@dataclass(frozen=True)
class Sampling:
    """How many permutations are drawn.

    Args:
        permutations: of an image at most, a multiple of the block.
        block: how many are added at once, a multiple of 4: whole pairs in both halves.
        reliability: at which an image needs no more.
    """

    permutations: int = 256
    block: int = 32
    reliability: float = 0.95

    def __post_init__(self) -> None:
        if self.block % 4 or self.block < 4 or self.permutations % self.block:
            raise ValueError(
                f"block: {self.block} of {self.permutations} permutations found, expected a "
                "multiple of 4 that divides their number"
            )


def sampled(game: Game, estimand: Estimand, sampling: Sampling) -> tuple[Truth, list[Check]]:
    """Return the values from keyed permutations of the cells, block after block.

    An image gets no more of them when its reliability is reached.

    Args:
        game: of some images.
        estimand: of pixels.
        sampling: how many permutations.

    Returns:
        The values, and the law that they add up to s(x) - mean s(r).
    """
    count, (height, width) = len(game.images), game.activations.shape[2:]
    sums = torch.zeros(2, count, height * width, dtype=torch.float64, device=game.images.device)
    reference_sum, magnitude = torch.zeros_like(sums[:2, :, 0])
    drawn = torch.zeros_like(game.classes)
    reached = torch.full_like(reference_sum, torch.nan)
    fixed = None if estimand.drawn else game.reference(estimand, 0)
    active = list(range(count))
    for first in range(0, sampling.permutations, sampling.block):
        pairs = range(first // 2, (first + sampling.block) // 2)
        orders = torch.cat([orders_of(game, pair) for pair in pairs], 1)
        fills = fixed[:, None] if fixed is not None else _draws(game, estimand, first, sampling)
        for place in active:
            part = gains(game, place, orders[place], fills[place])
            halves = part.view(-1, 2, 2, height * width).sum(2)  # pairs go to either half in turn
            sums[:, place] += halves.sum(0)
            if fixed is None or not first:
                score, size = _scores(game, place, fills[place])
                reference_sum[place] += score
                magnitude[place] += size
            drawn[place] += sampling.block
            reached[place] = reliability(sums[:, place : place + 1])[0]
        active = [i for i in active if not bool(reached[i] >= sampling.reliability)]
        if not active:
            break
    per_half = drawn[None, :, None] / 2
    halves = (sums / per_half).view(2, count, height, width)
    values = halves.mean(0)
    references = drawn if fixed is None else torch.ones_like(drawn)
    both = game.score_of(game.activations), reference_sum / references
    own = (game.gradients * game.activations).abs().sum((1, 2, 3))
    allowed = 1e-5 * (own + magnitude / references) + 1e-4
    check = completeness(values, *both, allowed)
    return Truth(values, halves, reached, *both, drawn), [check]


def orders_of(game: Game, pair: int) -> Tensor:
    """Return each image's orders of its cells of an antithetic pair, the second one reversed.

    They are keyed: the same for every estimand.

    Args:
        game: of the images.
        pair: its number, from 0; the references of its orders are the draws 2 pair, 2 pair + 1.

    Returns:
        (N, 2, L).
    """
    cells = game.activations.shape[2:].numel()
    return permutations.orders_of(game.noise, "truth order", pair, cells)


def gains(game: Game, place: int, orders: Tensor, references: Tensor) -> Tensor:
    """Return how far the score falls when each cell of one image is removed, in some orders.

    Args:
        game: of the image.
        place: of the image.
        orders: cells, first removed first, (P, L).
        references: what a removed cell shows, of each order, (P, C, H, W), or (1, C, H, W).

    Returns:
        Of each cell, row by row, (P, L) float64.
    """
    image = game.images[place]
    falls = permutations.gains(game.removal, image, orders, game.regions, references)
    classes = game.classes[place].expand(falls.shape[:2].numel())
    return scores(falls.flatten(0, 1), classes, game.explained_score).view(len(orders), -1)


def _draws(game: Game, estimand: Estimand, first: int, sampling: Sampling) -> Tensor:
    """Return the references of a block of permutations, (N, P, C, H, W)."""
    draws = range(first, first + sampling.block)
    return torch.stack([game.reference(estimand, draw) for draw in draws], 1)


def _scores(game: Game, place: int, references: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums over one image's references of s(r), and of sum|W_c A|."""
    A = game.network.activations(references.contiguous(memory_format=torch.channels_last))
    classes = game.classes[place].expand(len(A))
    explained = scores(game.network.logits(A).double(), classes, game.explained_score)
    return explained.sum(), (game.gradients[place] * A).abs().sum()


def completeness(values: Tensor, score: Tensor, reference_score: Tensor, allowed: Tensor) -> Check:
    """Check that values add up to s(x) - mean s(r).

    Args:
        values: (N, h, w).
        score: s(x), (N,).
        reference_score: mean of s(r), (N,).
        allowed: what rounding may change, (N,).
    """
    missing = values.sum((1, 2)) - (score - reference_score)
    return Check("contributions add up to s(x) - s(r)", missing.abs() / allowed, TOLERANCE)


def reliability(halves: Tensor) -> Tensor:
    """Return how reliable the mean of two halves is: (2, N, ...) -> (N,) float64.

    The halves' rank correlation r over the cells becomes 2 r / (1 + r) with both together; r itself
    where it is not positive, NaN where a half is constant.

    Source: Spearman 1910, 10.1111/j.2044-8295.1910.tb00206.x; Brown 1910,
    10.1111/j.2044-8295.1910.tb00207.x.
    """
    r = spearman(*(ranks(half) for half in halves))
    return torch.where(r > 0, 2 * r / (1 + r), r)
