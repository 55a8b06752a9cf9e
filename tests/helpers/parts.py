"""Shapley values of parts of synthetic networks, and the networks' table."""

from itertools import product

import numpy as np
import pyarrow as pa

from faithcam.metrics.tables import PART_SHAPLEY
from faithcam.results import io as tables

DATASETS = ["none", "always"]
SETTINGS = {
    "datasets": ["always", "none", "other"],
    "data": {**{name: {"nested": True} for name in DATASETS}, "other": {"nested": False}},
    "statistics": {"confidence": 0.9},
}
DECOYS = 6


def shapley_of(shapley, decoys, dataset="none", architecture="a", head="flatten", seed=0):
    """Return rows of Shapley values {part: (n,)} and of the decoys' falls (2, n, DECOYS)."""
    rows = []
    falls = {f"decoy{d}": decoys[:, :, d] for d in range(DECOYS)}
    for replicate, (part, values) in product((0, 1), [*shapley.items(), *falls.items()]):
        planted = part in shapley
        for i, value in enumerate(values if planted else values[replicate]):
            rows.append(
                {"dataset": dataset, "architecture": architecture, "head": head, "seed": seed}
                | {"image_id": i, "part": part, "replicate": replicate, "area": 9}
                | {"shapley": value if planted else np.nan}
                | {"leave_one_out": 100.0 if planted else value}
                | {"add_one_in": np.nan, "interaction": np.nan, "consistent": True}
            )
    return pa.Table.from_pylist(rows, schema=PART_SHAPLEY)


def models_of(part_shapley, excluded=()):
    known = part_shapley.to_pandas()[list(tables.IDENTITY)].drop_duplicates()
    included = [tuple(key) not in excluded for key in known.to_numpy()]
    return pa.Table.from_pandas(known.assign(included=included), preserve_index=False)


def experiment_of(seeds=3):
    """Return Shapley values of parts of two data sets, two architectures, and its models."""
    actual, rng = [], np.random.default_rng(0)
    for dataset, architecture, seed in product(DATASETS, "ab", range(seeds)):
        marker = 4.0 if dataset == "always" else 0.0
        shapley = {"lesion": 2 + rng.normal(0, 0.3, 5), "marker": marker + rng.normal(0, 0.3, 5)}
        decoys = rng.normal(0, 0.1, (2, 5, DECOYS))
        actual.append(shapley_of(shapley, decoys, dataset, architecture, seed=seed))
    part_shapley = pa.concat_tables(actual)
    return part_shapley, models_of(part_shapley)
