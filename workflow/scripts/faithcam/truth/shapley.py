"""Shapley values of the cells of an image: what each contributes to the score of its class.

The players are the cells of the native grid, each with its pixels; v(S) is the score of the image
whose other cells show a reference r. Exact where the score is a sum over cells: in feature space,
and on patch networks; elsewhere sampled (:mod:`faithcam.truth.sampling`).

Source: Shapley 1953, 10.1515/9781400881970-018; references: arXiv 1705.07874, 1910.13413.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.errors import unknown
from faithcam.results.laws import Check
from faithcam.truth.contributions import Truth
from faithcam.truth.estimands import ESTIMANDS, Estimand
from faithcam.truth.game import TOLERANCE, Game
from faithcam.truth.sampling import Sampling, completeness, gains, orders_of, reliability, sampled


def shapley(
    game: Game, estimand: str, sampling: Sampling | None = None
) -> tuple[Truth, list[Check]]:
    """Return what each cell contributes to the score, and the laws that this obeys.

    Args:
        game: of some images.
        estimand: a name of :data:`faithcam.truth.estimands.ESTIMANDS`.
        sampling: where the values are not exact.

    Raises:
        ValueError: if the estimand is unknown, or what it is made from is missing.
    """
    if estimand not in ESTIMANDS:
        raise ValueError(f"estimand: {unknown(estimand, ESTIMANDS)}")
    spec, sampling = ESTIMANDS[estimand], sampling or Sampling()
    if spec.space == "features" or game.patches:
        truth, checks = additive(game, *_references(game, spec, sampling))
    else:
        truth, checks = sampled(game, spec, sampling)
    if spec.space == "pixels" and game.patches:
        checks += engine_checks(game, spec)
    return truth, [Check(f"{c.name}, {estimand}", c.errors, c.tolerance, c.asked) for c in checks]


def _references(game: Game, estimand: Estimand, sampling: Sampling) -> tuple[list[Tensor], int]:
    """Return the mean A of all references, or of either half of their draws, and the draws."""
    if estimand.reference == "no activations":
        return [torch.zeros_like(game.activations)], 0
    if estimand.reference in ("mean activations", "background"):
        if game.mean_activations is None:
            raise ValueError(
                "mean_activations: none found, expected the mean of A over the training images"
            )
        return [game.mean_activations.expand_as(game.activations)], 0
    if not estimand.drawn:
        return [_activations(game, game.reference(estimand, 0))], 0
    halves = game.activations.new_zeros(2, *game.activations.shape, dtype=torch.float64)
    for draw in range(sampling.permutations):
        halves[draw // 2 % 2] += _activations(game, game.reference(estimand, draw))
    return list(halves * 2 / sampling.permutations), sampling.permutations


def _activations(game: Game, images: Tensor) -> Tensor:
    return torch.cat([game.network.activations(image[None]) for image in images])


def additive(game: Game, references: Sequence[Tensor], draws: int = 0) -> tuple[Truth, list[Check]]:
    """Return the values where the score is a sum over cells: HR(x) - E HR(r), HR signed HiResCAM.

    Args:
        game: of some images.
        references: mean A of all references, (N, K, h, w); or of the even and of the odd pairs of
            their draws.
        draws: of references; 0 for all there are.

    Returns:
        The values, and the laws: they add up to s(x) - E s(r), and a cell whose weights are 0 for
        every class has 0.
    """
    first, last = references[0], references[-1]
    mine = game.map_of(game.activations)
    halves = torch.stack([mine - game.map_of(A) for A in (first, last)])
    mean = (first.double() + last) / 2
    values = halves.mean(0)
    reached = reliability(halves) if draws else torch.ones_like(values[:, 0, 0])
    both = game.score_of(game.activations), game.score_of(mean)
    allowed = game.tolerance(mean)
    checks = [completeness(values, *both, allowed), _dead_cells(game, values, allowed)]
    return Truth(values, halves, reached, *both, torch.full_like(game.classes, draws)), checks


def _dead_cells(game: Game, values: Tensor, allowed: Tensor) -> Check:
    """Check that a cell whose weights are 0 for every class has 0; values: (N, h, w)."""
    weights = game.network.cell_weights(game.activations.shape)
    dead = (weights == 0).all(1).all(0)
    errors = (values.abs() * dead).amax((1, 2)) / allowed
    asked = dead.any().expand(len(values))
    return Check("a cell without weights contributes nothing", errors, TOLERANCE, asked)


def engine_checks(game: Game, estimand: Estimand) -> list[Check]:
    """Check, where a cell sees its own pixels alone, one pair of sampled permutations.

    Every gain is HR(x) - HR(r) of the permutation's own reference.
    """
    worst = []
    for draw, order in enumerate(orders_of(game, 0).unbind(1)):
        fill = game.reference(estimand, draw)
        A = _activations(game, fill)
        expected = game.map_of(game.activations) - game.map_of(A)
        actual = torch.cat(
            [
                gains(game, place, order[place][None], fill[place][None])
                for place in range(len(game.images))
            ]
        )
        worst.append((actual - expected.flatten(1)).abs().amax(1) / game.tolerance(A))
    return [
        Check("every gain of a removal is HR(x) - HR(r)", torch.stack(worst).amax(0), TOLERANCE)
    ]
