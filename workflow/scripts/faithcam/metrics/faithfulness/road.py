"""ROAD: how far the class probability falls when cells are removed without leaving a trace.

Source: arXiv 2202.00449 (remove and debias). Removed pixels are imputed by a noisy linear
interpolation, so that their shape tells the network little. There single pixels are removed, here
native cells, and the score of an image is the mean fall over the shares removed.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.faithfulness.curves import drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.grid import grid, region_of
from faithcam.removal.imputation import NOISE, imputed
from faithcam.removal.orders import distinct, order_of

Fall = tuple[int, str]  # replicate and output


def removed_cells(order: Tensor, share: float) -> Tensor:
    """Return which regions are among the first ones: at least one, and not all.

    Args:
        order: regions' indices, first removed first, (N, L).
        share: of the regions.

    Returns:
        (N, L) bool.
    """
    regions = order.shape[1]
    count = min(max(round(share * regions), 1), regions - 1)
    first = torch.zeros_like(order, dtype=torch.bool)
    return first.scatter(1, order[:, :count], True)


class Imputations:
    """Answers of a network to images while cells are removed in some orders.

    Args:
        model: images -> logits, in eval mode.
        images: (N, C, H, W) in [-1, 1].
        classes: whose probability is followed, (N,).
        cells: (h, w) of the maps.
        shares: of the cells, growing.
        noise: standard normal numbers by replicate, (N, C, H, W); one channel of grey images, whose
            channels are alike, and so are their interpolations.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        classes: Tensor,
        cells: tuple[int, ...],
        shares: Sequence[float],
        noise: Mapping[int, Tensor],
    ) -> None:
        self._model, self._images, self._classes = model, images, classes
        self._shares, self._noise = shares, noise
        self._cell_of = region_of(grid(size_of(images), cells)).to(images.device)
        self._clean = model(images)

    def falls(self, order: Tensor, streams: Sequence[int]) -> dict[Fall, Tensor]:
        """Return the mean falls over all shares.

        Args:
            order: cells' indices, first removed first, (N, L).
            streams: of the noise.

        Returns:
            (N,) float64 of the class probability (output ``probability``), and of whether the class
            is the answer (``accuracy``).
        """
        logits: dict[int, list[Tensor]] = {replicate: [self._clean] for replicate in streams}
        pixels = self._images[:, : self._noise[streams[0]].shape[1]]
        start = None
        for share in self._shares:
            removed = removed_cells(order, share)[:, self._cell_of]
            start = imputed(pixels, removed, start)
            for replicate in streams:
                filled = start + NOISE * self._noise[replicate]
                noisy = torch.where(removed[:, None], filled, pixels)
                logits[replicate].append(self._model(noisy.expand_as(self._images)))
        falls = {}
        for replicate, states in logits.items():
            seen = torch.stack(states, 1)
            lost = (seen.argmax(2) != self._classes[:, None]).double()
            fall = drops(seen, self._classes, "probability")
            falls[replicate, "probability"] = fall[:, 1:].mean(1)
            falls[replicate, "accuracy"] = (lost[:, 1:] - lost[:, :1]).mean(1)
        return falls


def road(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    maps: Tensor,
    shares: Sequence[float],
    noise: Tensor,
) -> Tensor:
    """Return the mean fall of the class probability, MoRF, raster order of ties: (N,) float64.

    Args:
        model: see :class:`Imputations`, as all others not named here.
        images: see there.
        classes: see there.
        maps: raw, (N, h, w).
        shares: see there.
        noise: standard normal, (N, C, H, W), or (N, 1, H, W) of grey images.
    """
    states = Imputations(model, images, classes, tuple(maps.shape[1:]), shares, {0: noise})
    return states.falls(order_of(maps.flatten(1)), [0])[0, "probability"]


def score(inputs: Inputs, evaluations: Sequence[Evaluation], shares: Sequence[float]) -> Scores:
    """Score all methods, on the class explained.

    Args:
        inputs: images, maps and noise.
        evaluations: what is asked: ``order`` of removal (``morf``, ``lerf``, or ``gap``, MoRF's
            score - LeRF's), ``output`` and ``replicate``.
        shares: of the cells that are removed, growing.
    """
    raw = inputs.raw(methods_of(evaluations))
    cells = tuple(next(iter(raw.values())).shape[1:])
    keys = inputs.noise.uniform("aopc ties", 0, (cells[0] * cells[1],))
    size = (inputs.channels, *inputs.images.shape[2:])
    streams = sorted({int(evaluation.setting["replicate"]) for evaluation in evaluations})
    noise = {replicate: inputs.noise.normal(f"road {replicate}", 0, size) for replicate in streams}
    states = Imputations(inputs.network, inputs.images, inputs.classes, cells, shares, noise)
    falls: dict[tuple[str, str], dict[Fall, Tensor]] = {}
    for direction in ("morf", "lerf"):
        asked = [e for e in evaluations if e.setting["order"] in (direction, "srg")]
        if not asked:
            continue
        methods = methods_of(asked)
        morf = [order_of(raw[method].flatten(1), keys) for method in methods]
        orders = morf if direction == "morf" else [order.flip(1) for order in morf]
        wanted = sorted({int(evaluation.setting["replicate"]) for evaluation in asked})
        different, places = distinct(orders)
        of_orders = [states.falls(order, wanted) for order in different]
        falls |= {(direction, m): of_orders[i] for m, i in zip(methods, places, strict=True)}
    scores, status = Scores(), {method: statuses(x, "signed") for method, x in raw.items()}
    for evaluation in evaluations:
        order = evaluation.setting["order"]
        key = (int(evaluation.setting["replicate"]), evaluation.setting["output"])
        for method in evaluation.methods:
            if order == "srg":
                values = falls["morf", method][key] - falls["lerf", method][key]
            else:
                values = falls[order, method][key]
            scores.add(evaluation, method, values, status[method])
    return scores
