"""Shapley values of the cells from few permutations: why not the truth itself?

They are estimates of the truth for training images (docs/truth.md), from random numbers of their
own: neither an order nor a draw of a training image is shared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Noise, Streams
from faithcam.maps.method import ExplainedNetwork, Method

if TYPE_CHECKING:
    from torch import Tensor

COUNTS = (4, 16, 64)  # of permutations; fewer are the first ones of more
TOGETHER = 16  # permutations that are evaluated at once


def of_logits(permutations: int) -> Callable[..., Tensor]:
    """Return the function that estimates what each cell contributes to every logit.

    Args:
        permutations: an even number; pairs of an order and its reverse.
    """

    def contributions(
        model: Any,
        images: Tensor,
        activations: Tensor,
        backgrounds: Callable[[int], Tensor],
        image_ids: Sequence[int],
        streams: Streams,
    ) -> Tensor:
        """Return the Shapley values of the logits, each image by itself: (N, h, w, C) float32.

        Every order has another training image, whose pixels a removed cell shows. An image that
        stands there twice is evaluated once.

        Args:
            model: a network that can be called: images -> logits.
            images: (N, C, H, W).
            activations: A, (N, K, h, w).
            backgrounds: training images of a draw, like the images.
            image_ids: of the images.
            streams: of the network's noise.
        """
        import torch

        from faithcam.core.views import size_of
        from faithcam.removal.engine import Removal
        from faithcam.removal.grid import grid
        from faithcam.removal.permutations import gains, orders_of

        cells, count = activations.shape[2:], activations.shape[2:].numel()
        regions, removal = grid(size_of(images), tuple(cells)), Removal(model)
        noise = Noise(streams, image_ids, images.device)
        places = {image_id: place for place, image_id in enumerate(image_ids)}
        sums: dict[int, Tensor | float] = dict.fromkeys(places, 0.0)
        for first in range(0, permutations, TOGETHER):
            draws = range(first, min(first + TOGETHER, permutations))
            pairs = range(draws.start // 2, draws.stop // 2)
            orders = torch.cat([orders_of(noise, "map order", pair, count) for pair in pairs], 1)
            fills = torch.stack([backgrounds(draw) for draw in draws], 1)
            for image_id, i in places.items():
                falls = gains(removal, images[i], orders[i], regions, fills[i])
                sums[image_id] = sums[image_id] + falls.sum(0)
        values = torch.stack([torch.as_tensor(sums[image_id]) for image_id in image_ids])
        return (values / permutations).view(len(images), *cells, -1).float()

    return contributions


def passes(permutations: int) -> Callable[[ExplainedNetwork], int]:
    """Return how many passes permutations take: a step is one, and so is each one's image."""
    return lambda network: permutations * (network.cells**2 + 1)


def shapley(contributions: Tensor, classes: Tensor, explained_score: ExplainedScore) -> Tensor:
    """Return the Shapley values of cells, from as many permutations as the name says.

    Args:
        contributions: to the logits, (N, h, w, C).
        classes: explained, (N,).
        explained_score: which score of theirs.

    Returns:
        The raw signed maps (N, h, w), in units of the score. They add up to s(x) - mean s(r) over
        the training images r that were drawn.

    Source: arXiv 1705.07874, 10.1016/j.cor.2008.04.004; pairs: jmlr.org/papers/v23/21-0439.html.
    """
    from faithcam.core.explained import scores

    cells = contributions.shape[1:3]
    each = classes.repeat_interleave(cells.numel())
    return scores(contributions.flatten(0, 2), each, explained_score).view(-1, *cells)


METHODS = {
    f"shapley_{count}": Method(
        shapley,
        "arXiv 1705.07874",
        needs=(f"shapley_{count}_of_logits", "classes", "explained_score"),
        shared={f"shapley_{count}_of_logits": of_logits(count)},
        passes=passes(count),
        removes=True,
    )
    for count in COUNTS
}
