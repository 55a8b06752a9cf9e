"""Smooth MPRT: the model parameter randomisation test on maps that are averaged over noisy images.

Source: arXiv 2401.06465: the average takes the noise out of maps before they are compared. The
noise is normal and keyed, the same for all networks of a stream; its standard deviation is a share
of the images' range, 2.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam.metrics.facts import Metric
from faithcam.metrics.mprt import add_likeness, explained, randomised_shards
from faithcam.metrics.planning import STREAMS, Config, Model, randomised_networks
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps


def passes(config: Config, model: Model) -> int:
    """Return the passes per image, at most: each stream's noisy images, by all its networks."""
    return int(config["smooth_mprt"]["samples"]) * (len(STREAMS) + randomised_networks(config))


METRIC = Metric(
    "Smooth MPRT",
    larger_is_better=False,
    source="arXiv 2401.06465",
    range=(-1, 1),
    passes=passes,
    primary="stage=mean;stream=0",
    maps="own",
    randomised=randomised_networks,
    drawn_per_network=True,
    rows=6,
    needs=("mprt",),
)


def _smooth(
    shards: list[Shard], batch: Batch, methods: list[str], own: dict[str, Any], stream: int
) -> list[dict[str, Tensor]]:
    """Return each network's maps, averaged over the same noisy images."""
    samples, size = own["samples"], 2 * own["noise"]
    totals: list[dict[str, Tensor]] = [{} for _ in shards]
    for draw in range(samples):
        shape = tuple(batch.images.shape[1:])
        noise = shards[0].normal(batch, f"smooth mprt {stream}", draw, shape)
        moved = batch.images + size * noise
        for shard, total in zip(shards, totals, strict=True):
            for method, raw in explained(shard, batch, moved, methods).items():
                total[method] = total[method] + raw if method in total else raw
    return [{method: raw / samples for method, raw in total.items()} for total in totals]


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score the methods of a shard that depend on the network; maps that keep their ranks score 1.

    Args:
        shard: the model and its images.
        maps: names the methods.
        settings: the config's ``smooth_mprt``, ``mprt`` and ``controls``.
    """
    rows, own = ScoreRows(shard, "smooth_mprt"), settings["smooth_mprt"]
    randomised = randomised_shards(shard, settings["mprt"]["stages"])
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        found = [
            _smooth([shard, *networks], batch, maps.methods, own, stream)
            for stream, networks in zip(STREAMS, randomised, strict=True)
        ]
        add_likeness(rows, batch, found, settings["controls"])
    return rows.table()
