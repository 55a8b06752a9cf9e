"""How alike HiResCAM and every other map of an image are: what a preference can rest on."""

from typing import Any

import pyarrow as pa
import torch

from faithcam import tables
from faithcam.metrics.facts import Metric
from faithcam.metrics.max_sensitivity import ranks, spearman
from faithcam.shard import ScoreRows, Shard, ShardMaps
from faithcam.views import statuses

METRIC = Metric(
    "Similarity to HiResCAM",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    compared=False,
    heads=("flatten",),
    volumes=True,
    several_labels=True,
)
REFERENCE = "hirescam"


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Compare HiResCAM with all stored maps, predicted class and centred logit.

    Settings of the rows: ``kind=spearman``, Spearman's rank correlation over the native cells;
    ``kind=residual``, sum over cells of (HiResCAM - map)^2; and of HiResCAM alone ``kind=total``,
    sum over cells of (HiResCAM - its mean)^2. A map's share of HiResCAM's variance in a network is
    1 - sum of residuals / sum of totals over its images.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    rows = ScoreRows(shard, "similarity")
    if REFERENCE not in maps.methods:
        return rows.table()
    for batch in shard.batches():
        reference = maps.of(batch, REFERENCE, "predicted", "centred").double()
        ordered = ranks(reference)
        cells = tuple(range(1, reference.ndim))
        spread = (reference - reference.mean(cells, keepdim=True)).square().sum(cells)
        total = tables.setting(kind="total")
        rows.add(batch, "strict", total, REFERENCE, spread, ["ok"] * len(spread))
        for method in maps.methods:
            if method == REFERENCE:
                continue
            raw = maps.of(batch, method, "predicted", "centred")
            status = statuses(raw, "signed")
            alike = spearman(ordered, ranks(raw))
            rows.add(batch, "strict", tables.setting(kind="spearman"), method, alike, status)
            residual = (reference - raw).square().sum(cells)
            rows.add(
                batch,
                "strict",
                tables.setting(kind="residual"),
                method,
                residual,
                ["ok"] * len(residual),
            )
    return rows.table()
