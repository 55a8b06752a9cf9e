"""ROAD: how far the class probability falls when cells are removed without leaving a trace.

Source: arXiv 2202.00449 (remove and debias). Removed pixels are imputed by a noisy linear
interpolation, so that their shape tells the network little. There single pixels are removed, here
native cells, and the score of an image is the mean fall over the shares removed.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.data.definitions import channels
from faithcam.metrics.aopc import drops
from faithcam.metrics.facts import Metric
from faithcam.metrics.imputation import NOISE, imputed
from faithcam.metrics.planning import Config, Model, definition_of, distinct_maps, size_of
from faithcam.metrics.removal import distinct, grid, order_of
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses


def passes(config: Config, model: Model) -> int:
    """Return the imputed images per image, at most, and itself; equal orders are removed once.

    MoRF in both streams of noise; LeRF of the methods that are no controls.
    """
    maps, controls = (distinct_maps(config, model, [key]) for key in ("methods", "controls"))
    return len(config["road"]["shares"]) * (3 * maps + 2 * controls) + 1


def imputation(config: Config, model: Model) -> int:
    """Return what imputing an image costs, in a network's multiply-adds per pixel: measured.

    The iterations grow with the side of the image.
    """
    return 350 * channels(definition_of(config, model)) * size_of(config, model)


METRIC = Metric(
    "ROAD",
    larger_is_better=True,
    source="arXiv 2202.00449",
    range=(-1, 1),
    passes=passes,
    primary="order=morf;output=probability;stream=0",
    reverses=("order=lerf",),
    handling=imputation,
    rows=8,
)


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


class _Curves:
    """What the network says of a batch's images while cells are removed in some orders.

    Args:
        shard: the model and its images.
        batch: the images.
        cells: (h, w) of the maps.
        shares: of the cells, growing.
    """

    def __init__(
        self, shard: Shard, batch: Batch, cells: tuple[int, int], shares: list[float]
    ) -> None:
        self._shard, self._batch, self._shares = shard, batch, shares
        images = batch.images
        # the channels of a grey image are alike, and so are their interpolations
        self._pixels = images[:, : shard.dataset.channels]
        rows, columns = grid((images.shape[2], images.shape[3]), cells)
        self._cell_of = (rows[:, None] * cells[1] + columns).to(images.device)
        self._clean = shard.model(images)

    def falls(self, order: Tensor, streams: tuple[int, ...]) -> dict[tuple[int, str], Tensor]:
        """Return the mean falls of one order (B, L), by stream and output, (B,) each."""
        logits: dict[int, list[Tensor]] = {stream: [self._clean] for stream in streams}
        start = None
        for share in self._shares:
            removed = removed_cells(order, share)[:, self._cell_of]
            start = imputed(self._pixels, removed, start)
            for stream in streams:
                noise = self._shard.normal(
                    self._batch, f"road {stream}", 0, tuple(self._pixels.shape[1:])
                )
                noisy = torch.where(removed[:, None], start + NOISE * noise, self._pixels)
                logits[stream].append(self._shard.model(noisy.expand_as(self._batch.images)))
        found = {}
        for stream, states in logits.items():
            seen, classes = torch.stack(states, 1), self._batch.predicted
            lost = (seen.argmax(2) != classes[:, None]).double()
            found[stream, "probability"] = drops(seen, classes, "probability")[:, 1:].mean(1)
            found[stream, "accuracy"] = (lost[:, 1:] - lost[:, :1]).mean(1)
        return found


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard, on the predicted class.

    Settings of the rows: ``order=morf``, most relevant cells first; of methods that are no
    controls, ``order=lerf``, least relevant first, and ``order=gap``, MoRF's score - LeRF's.
    ``output=probability``; ``output=accuracy``: the share of removals that change the prediction.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: the config's ``road`` and ``controls``.
    """
    rows, shares = ScoreRows(shard, "road"), sorted(settings["road"]["shares"])
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
        height, width = next(iter(raw.values())).shape[1:]
        keys = shard.uniform(batch, "aopc ties", 0, (height * width,))
        orders = {m: order_of(shown.flatten(1), keys) for m, shown in raw.items()}
        curves = _Curves(shard, batch, (height, width), shares)
        different, places = distinct(list(orders.values()))
        morf = [curves.falls(order, (0, 1)) for order in different]
        main = [m for m in maps.methods if m not in settings["controls"]]
        reversed_orders, where = distinct([orders[m].flip(1) for m in main])
        lerf = [curves.falls(order, (0,)) for order in reversed_orders]
        for method, place in zip(maps.methods, places, strict=True):
            found = {("morf", *key): values for key, values in morf[place].items()}
            if method in main:
                for (stream, output), values in lerf[where[main.index(method)]].items():
                    found["lerf", stream, output] = values
                    found["gap", stream, output] = morf[place][stream, output] - values
            status = statuses(raw[method], "signed")
            for (order, stream, output), values in found.items():
                setting = tables.setting(order=order, output=output, stream=stream)
                rows.add(batch, "strict", setting, method, values, status)
    return rows.table()
