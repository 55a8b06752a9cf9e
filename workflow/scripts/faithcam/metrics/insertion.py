"""Insertion: how high the class probability is while the most relevant cells come out of a blur.

Source: arXiv 1806.07421 (RISE). There single pixels are inserted, here native cells; the blurred
image is AOPC's imputer ``blur`` (Gaussian, sigma a 16th of each side).
"""

from typing import Any

import pyarrow as pa
import torch

from faithcam.metrics.aopc import replacements
from faithcam.metrics.deletion import score_curves
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import states_of_cells
from faithcam.shard import Shard, ShardMaps

METRIC = Metric(
    "Insertion",
    larger_is_better=True,
    source="arXiv 1806.07421",
    range=(0, 1),
    passes=states_of_cells,
    primary="region=native",
    windows=True,
    volumes=True,
    several_labels=True,
)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard, on the probability of the predicted class.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: not used.
    """
    return score_curves(
        shard,
        maps,
        "insertion",
        lambda batch: (replacements(shard, batch, "blur", 0, 1)[0], batch.images),
    )
