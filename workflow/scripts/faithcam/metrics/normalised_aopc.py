"""Normalised AOPC: where a map's AOPC lies between the worst and the best order of removal.

Source: arXiv 2408.08137 (NAOPC, bounds by beam search). AOPC's range differs between networks and
images, so that raw scores cannot be compared; here 0 is the lowest and 1 the highest AOPC that the
search finds. It need not find the true bounds, so a score can lie a little outside. Regions are
squares, fewer than a map's cells, since the search's cost grows with the square of their number.
"""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.metrics.aopc import drops, replacements, score
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import (
    STREAMS,
    Config,
    Model,
    every_map,
    regions_of,
    search_passes,
    size_of,
)
from faithcam.metrics.removal import Regions, Removal, grid, order_of, region_values
from faithcam.shard import ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

MEMORY_MB = 1000  # for kept activations


def passes(config: Config, model: Model) -> int:
    """Return the states of an image, at most: both streams' two searches, and the maps' orders."""
    own = config["normalised_aopc"]
    regions = regions_of(size_of(config, model), own["region"])
    searches = 2 * search_passes(regions, own["beam"])
    return len(STREAMS) * (searches + regions * every_map(config, model))


def primary(config: Config) -> str:
    """Return the setting of the score; stream 1 is the noise floor's."""
    own = config["normalised_aopc"]
    return tables.setting(beam=own["beam"], region=own["region"], stream=0)


METRIC = Metric(
    "Normalised AOPC",
    larger_is_better=True,
    source="arXiv 2408.08137",
    range=(0, 1),
    passes=passes,
    primary=primary,
    windows=True,
)


def _sorted(totals: Tensor, sets: Tensor) -> tuple[Tensor, Tensor]:
    """Return totals (M, N) with the largest first, and sets (M, N, L) in their order."""
    order = totals.argsort(dim=0, descending=True, stable=True)
    return totals.gather(0, order), sets.gather(0, order[..., None].expand_as(sets))


def best_aopc(
    removal: Removal,
    images: Tensor,
    classes: Tensor,
    regions: Regions,
    replacement: Tensor,
    beam: int,
    sign: int = 1,
) -> Tensor:
    """Return the largest AOPC of the class probability that a beam search over orders finds.

    Of all sets of removed regions that one more region makes of those kept, each is kept once, by
    the best order that leads to it, and of these the ``beam`` best ones.

    Args:
        removal: evaluator of the network.
        images: (N, C, H, W).
        classes: whose probability is followed, (N,).
        regions: rows and columns from :func:`faithcam.metrics.removal.grid`, at most 62 regions.
        replacement: (N, C, H, W).
        beam: number of sets that are kept.
        sign: -1 for the smallest AOPC.

    Returns:
        (N,) float64.
    """
    rows, columns = (part.to(images.device) for part in regions)
    labels = rows[:, None] * (int(columns.max()) + 1) + columns
    count = int(labels.max()) + 1
    clean = None
    removed = torch.zeros(1, len(images), count, dtype=torch.bool, device=images.device)
    total = torch.zeros(1, len(images), dtype=torch.float64, device=images.device)
    codes = 2 ** torch.arange(count, device=images.device)
    for step in range(count):
        found, sets = [], []
        for known, before in zip(removed, total, strict=True):
            state = torch.where(known[:, labels][:, None], replacement, images)
            left = (~known).nonzero()[:, 1].view(len(images), count - step)
            logits = removal.logits(state, [c[:, None] for c in left.T], regions, [replacement])
            if clean is None:
                clean = logits[0, 0, :, :1]
            steps = torch.cat([clean.expand(len(logits), -1, -1, -1), logits[:, 0, :, 1:]], 2)
            found.append(before + sign * drops(steps, classes, "probability")[..., 1])
            one_more = torch.nn.functional.one_hot(left.T, count).bool()
            sets.append(known | one_more)
        totals, candidates = _sorted(torch.cat(found), torch.cat(sets))
        names = (candidates * codes).sum(2)
        before_it = torch.ones(len(names), len(names), device=names.device).tril(-1).bool()
        again = ((names[:, None] == names) & before_it[..., None]).any(1)
        # a set that a better order leads to, too, counts no more
        totals, candidates = _sorted(totals.masked_fill(again, -torch.inf), candidates)
        total, removed = totals[:beam], candidates[:beam]
    return sign * total[0] / (count + 1)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard by (AOPC - lowest) / (highest - lowest), predicted class.

    NaN where highest and lowest are the same. Noise and ties are those of AOPC's strict protocol.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: the config's ``normalised_aopc``.
    """
    own, rows = settings["normalised_aopc"], ScoreRows(shard, "normalised_aopc")
    region, beam = own["region"], own["beam"]
    shard = replace(shard, batch_size=min(shard.batch_size, own["images"]))  # less padding
    removal = Removal(shard.model, MEMORY_MB)
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        size = (batch.images.shape[2], batch.images.shape[3])
        regions = grid(size, region)
        raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
        values = {m: region_values(shown, region, size) for m, shown in raw.items()}
        keys = shard.uniform(batch, "aopc ties", 0, next(iter(values.values())).shape[1:])
        orders = [order_of(found, keys) for found in values.values()]
        for stream in STREAMS:
            (noise,) = replacements(shard, batch, "noise", stream, 1)
            logits = removal.logits(batch.images, orders, regions, [noise])[:, 0]
            scores = score(drops(logits, batch.predicted, "probability"))
            search = (removal, batch.images, batch.predicted, regions, noise, beam)
            high, low = best_aopc(*search), best_aopc(*search, sign=-1)
            setting = tables.setting(beam=beam, region=region, stream=stream)
            for (method, shown), found in zip(raw.items(), scores, strict=True):
                share = torch.where(high > low, (found - low) / (high - low), torch.nan)
                rows.add(batch, "strict", setting, method, share, statuses(shown, "signed"))
    return rows.table()
