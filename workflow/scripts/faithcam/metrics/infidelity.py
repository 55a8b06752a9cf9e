"""Infidelity: how badly a map predicts what replacing a part of the image does to the score.

Source: arXiv 1901.09392, definition 2.1, with square removal and, as there in the experiments, the
scale of the map that fits best. A map of the last layer says what its cells contribute, so the
squares are made of native cells, and a square's prediction is the sum of its cells. Here keyed
noise replaces the pixels, as in AOPC's strict protocol, and the score is the centred logit.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import STREAMS, Config, Model
from faithcam.metrics.removal import grid
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import statuses


def passes(config: Config, model: Model) -> int:
    """Return the perturbed images per image, in both streams, and itself: all maps share them."""
    return len(STREAMS) * int(config["infidelity"]["samples"]) + 1


def primary(config: Config) -> str:
    """Return the primary setting: maps of the scale that fits best."""
    return tables.setting(samples=config["infidelity"]["samples"], scale="best", stream=0)


METRIC = Metric(
    "Infidelity",
    larger_is_better=False,
    source="arXiv 1901.09392",
    range=(0, float("inf")),
    passes=passes,
    primary=primary,
    rows=4,
)


def squares(numbers: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return random squares of cells: of any side that fits, then of any place.

    Args:
        numbers: in [0, 1), (N, 3): for side, row and column.
        cells: (h, w) of the maps.

    Returns:
        (N, h, w) bool.
    """
    height, width = cells
    side = (numbers[:, 0] * min(cells)).long() + 1
    inside = []
    for number, count in ((numbers[:, 1], height), (numbers[:, 2], width)):
        first = (number * (count - side + 1)).long()[:, None]
        places = torch.arange(count, device=numbers.device)
        inside.append((places >= first) & (places < first + side[:, None]))
    return inside[0][:, :, None] & inside[1][:, None]


def infidelity(predicted: Tensor, changes: Tensor) -> dict[str, Tensor]:
    """Return the mean squared difference of predicted and observed changes over perturbations.

    Args:
        predicted: sum of the map over the part replaced, (S, N).
        changes: how far the score falls, (S, N).

    Returns:
        (N,) float64 each: ``raw``, and ``best``, of the map times the positive number, or 0, that
        makes it least: a map's scale is arbitrary, its sign is not.
    """
    predicted, changes = predicted.double(), changes.double()
    power = predicted.square().sum(0)
    factor = ((predicted * changes).sum(0) / torch.where(power == 0, 1, power)).clamp(min=0)
    return {
        "raw": (predicted - changes).square().mean(0),
        "best": (factor * predicted - changes).square().mean(0),
    }


def _centred(shard: Shard, batch: Batch, images: Tensor) -> Tensor:
    logits: Tensor = shard.model(images).double()
    return logits.gather(1, batch.predicted[:, None])[:, 0] - logits.mean(1)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard under the same perturbations.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: the config's ``infidelity``.
    """
    rows, samples = ScoreRows(shard, "infidelity"), settings["infidelity"]["samples"]
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
        height, width = next(iter(raw.values())).shape[1:]
        images = batch.images
        of_row, of_column = grid((images.shape[2], images.shape[3]), (height, width))
        clean = _centred(shard, batch, images)
        shape = (shard.dataset.channels, *images.shape[2:])
        for stream in STREAMS:
            masks, changes = [], []
            for draw in range(samples):
                numbers = shard.uniform(batch, f"infidelity squares {stream}", draw, (3,))
                masks.append(squares(numbers, (height, width)))
                noise = shard.noise(batch, f"infidelity {stream}", draw, shape)
                replaced = masks[-1][:, of_row][:, :, of_column][:, None]
                changes.append(clean - _centred(shard, batch, torch.where(replaced, noise, images)))
            parts, fall = torch.stack(masks), torch.stack(changes)
            for method, shown in raw.items():
                predicted = (parts * shown.double()).sum((2, 3))
                for scale, values in infidelity(predicted, fall).items():
                    setting = tables.setting(samples=samples, scale=scale, stream=stream)
                    status = statuses(shown, "signed")
                    rows.add(batch, "strict", setting, method, values, status)
    return rows.table()
