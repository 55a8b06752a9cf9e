"""Shapley values of the cells of an image: what each contributes to the score of its class.

The players are the cells of the native grid, each with its pixels; v(S) is the score of the image
whose other cells show a reference r. Exact where the score is a sum over cells: in feature space,
and on patch networks. Elsewhere sampled: permutations in antithetic pairs, an order of removal and
its reverse, each with a reference of its own where references are drawn. An image's permutations
are evaluated by themselves, so that nothing depends on the other images.

Source: Shapley 1953, 10.1515/9781400881970-018; references: arXiv 1705.07874, 1910.13413;
permutations: Castro et al. 2009, 10.1016/j.cor.2008.04.004; pairs: Mitchell et al. 2022,
jmlr.org/papers/v23/21-0439.html.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from faithcam.core.errors import unknown
from faithcam.core.explained import ExplainedScore, scores
from faithcam.core.ranks import ranks, spearman
from faithcam.core.seeding import Noise
from faithcam.core.views import size_of
from faithcam.maps.explain import gradients
from faithcam.maps.methods.hirescam import hirescam
from faithcam.models.camnet import CamNet
from faithcam.removal.engine import Removal
from faithcam.removal.grid import Regions, grid
from faithcam.removal.imputers import replacement
from faithcam.results.checks import Check
from faithcam.truth.contributions import Truth
from faithcam.truth.estimands import ESTIMANDS, Estimand

TOLERANCE = "1e-5 sum|W_c A| + 1e-4, A of image and reference"


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


@dataclass(frozen=True)
class Game:
    """The images of one network, and what a cell that is absent may show.

    Args:
        network: in eval mode and float32, on the images' device.
        images: (N, C, H, W) in [-1, 1].
        classes: whose score is explained, (N,).
        noise: keyed random numbers of the images.
        multi_label: whether an image has any number of the classes: the score is then y_c.
        patches: whether a cell sees its own pixels alone, and images are whole cells.
        channels: of the images' colours: 1 where all channels are alike, else C.
        renderings: of the images without their parts; the first one has none.
        backgrounds: training images of a draw, like the images.
        train_mean: mean of the training images at each pixel, the shape of one image.
        mean_activations: mean of A over the training images, (K, h, w).
        memory_mb: for kept activations while cells are removed.

    Raises:
        ValueError: if the images are volumes.
    """

    network: CamNet
    images: Tensor
    classes: Tensor
    noise: Noise
    multi_label: bool = False
    patches: bool = False
    channels: int = 3
    renderings: Sequence[Tensor] = ()
    backgrounds: Callable[[int], Tensor] | None = None
    train_mean: Tensor | None = None
    mean_activations: Tensor | None = None
    memory_mb: float = 1000

    def __post_init__(self) -> None:
        if self.images.ndim != 4:
            raise ValueError(
                f"truth: {tuple(self.images.shape)} found, expected images (N, C, H, W); "
                "contributions of volumes' cells are not supported"
            )

    @property
    def explained_score(self) -> ExplainedScore:
        """The score that is shared among the cells."""
        return "logit" if self.multi_label else "centred"

    @cached_property
    def removal(self) -> Removal:
        """The network's evaluator of images that lose their cells."""
        return Removal(self.network, self.memory_mb)

    @cached_property
    def activations(self) -> Tensor:
        """A of each image, (N, K, h, w), one image in a batch."""
        return torch.cat([self.network.activations(image[None]) for image in self.images])

    @cached_property
    def gradients(self) -> Tensor:
        """Derivative of the score by A, (N, K, h, w) or (N, K, 1, 1) float64."""
        kind = self.explained_score
        return gradients(self.network, self.activations, self.classes, kind).double()

    @property
    def regions(self) -> Regions:
        """The cells' pixels."""
        return grid(size_of(self.images), tuple(self.activations.shape[2:]))

    def reference(self, estimand: Estimand, draw: int) -> Tensor:
        """Return a draw of what absent cells show, like the images."""
        return replacement(
            self.images,
            estimand.reference,
            self.noise,
            draw,
            channels=self.channels,
            renderings=self.renderings,
            backgrounds=self.backgrounds,
            train_mean=self.train_mean,
            purpose="truth reference",
        )

    def map_of(self, activations: Tensor) -> Tensor:
        """Return the signed HiResCAM of the score, of any A (N, K, h, w): (N, h, w) float64."""
        return hirescam(activations.double(), self.gradients)

    def score_of(self, activations: Tensor) -> Tensor:
        """Return the score of any A, (N, K, h, w), one image in a batch: (N,) float64."""
        logits = torch.cat([self.network.logits(A[None]) for A in activations.float()])
        return scores(logits.double(), self.classes, self.explained_score)

    def tolerance(self, activations: Tensor) -> Tensor:
        """Return what rounding may change in a score, for the A of references: (N,) float64."""
        both = (self.gradients * self.activations).abs() + (self.gradients * activations).abs()
        return 1e-5 * both.sum((1, 2, 3)) + 1e-4


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
    order = game.noise.uniform("truth order", pair, (cells,)).argsort(dim=1, stable=True)
    return torch.stack([order, order.flip(1)], 1)


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
    count = len(orders)
    images, fills = (
        part.expand(count, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for part in (game.images[place], references)
    )
    logits = game.removal.logits(images, [orders], game.regions, [fills])[0, 0]
    classes = game.classes[place].expand(logits.shape[:2].numel())
    steps = scores(logits.double().flatten(0, 1), classes, game.explained_score).view(count, -1)
    falls = steps[:, :-1] - steps[:, 1:]
    return torch.zeros_like(falls).scatter(1, orders, falls)


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


def reliability(halves: Tensor) -> Tensor:
    """Return how reliable the mean of two halves is: (2, N, ...) -> (N,) float64.

    The halves' rank correlation r over the cells becomes 2 r / (1 + r) with both together; r itself
    where it is not positive, NaN where a half is constant.

    Source: Spearman 1910, 10.1111/j.2044-8295.1910.tb00206.x; Brown 1910,
    10.1111/j.2044-8295.1910.tb00207.x.
    """
    r = spearman(*(ranks(half) for half in halves))
    return torch.where(r > 0, 2 * r / (1 + r), r)
