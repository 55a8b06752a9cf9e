"""HiResCAM - Grad-CAM within groups of images: by class, and by further columns of the user's CSV.

A description, not a test: groups are small and many. The unit is the network, as elsewhere. Of the
agreement with the truth networks whose cells overlap count alone: on the others the difference
follows from the definition.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.results import io as tables
from faithcam.results.declared import PRIMARY, STRICT, Evaluations
from faithcam.statistics import scores
from faithcam.statistics.agreement import METRIC
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.pairs import Pair
from faithcam.statistics.settings import PAIR
from faithcam.statistics.tables import SUBGROUPS, SUBGROUPS_KEY

CLASS = "class"
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def compute(
    scored: pa.Table | Path | str,
    models: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    groups: Mapping[str, pa.Table],
) -> pa.Table:
    """Return the mean difference of the two maps in each group, in strict primary settings.

    Args:
        scored: rows of ``SCORES``, or the path of them.
        models: rows of ``MODELS``.
        evaluations: all that were declared.
        settings: ``statistics`` (``confidence``) of the config, ``data``
            (:func:`faithcam.experiment.datasets.specs`) and ``additive``, as
            :func:`faithcam.statistics.agreement.compute` takes them.
        groups: rows of ``SUBGROUPS_OF_IMAGES``, by data set, where there are any.

    Returns:
        Rows of ``SUBGROUPS``, sorted. Positive estimates are better for HiResCAM.
    """
    frame = scores.of_networks(scores.read(scored), models)
    counted = evaluations.metrics(all_images=True)
    rows: list[Row] = []
    for name, part in frame.groupby("dataset", observed=True):
        dataset = str(name)
        spec = settings["data"][dataset]
        ids = np.unique(part["image_id"])
        further = _further(groups.get(dataset), ids)
        additive = [name for of, name in settings["additive"] if of == dataset]
        for chosen in scores.settings_of(part, ids, counted, multi_label=spec["multi_label"]):
            declared = evaluations.at(**chosen.known)
            if (declared.protocol, declared.role) != (STRICT, PRIMARY) or not declared.compared:
                continue
            pair = Pair.of(chosen, None, PAIR, per_network=False)
            if pair is None:
                continue
            labels = chosen.labels[pair.places]
            inside_of = {(CLASS, str(label)): labels == label for label in np.unique(labels)}
            inside_of |= {
                key: np.broadcast_to(inside[chosen.images], labels.shape)
                for key, inside in further.items()
            }
            counted_networks = np.ones((len(labels), 1), bool)
            if declared.metric == METRIC:
                counted_networks = ~np.isin(pair.networks.architectures, additive)[:, None]
            for (column, group), inside in inside_of.items():
                kept = inside & counted_networks
                values = np.where(kept, declared.sign * pair.findings, np.nan)
                if row := _row(values, pair, chosen.images, settings, nested=spec["nested"]):
                    rows.append({**chosen.known, "column": column, "group": group, **row})
    return tables.concatenate([pa.Table.from_pylist(rows, SUBGROUPS)], SUBGROUPS, SUBGROUPS_KEY)


def _further(table: pa.Table | None, ids: Array) -> dict[tuple[str, str], Array]:
    """Return which of some images have each value of each further column."""
    if table is None:
        return {}
    frame = table.to_pandas()
    return {
        (str(column), str(group)): np.isin(ids, part["image_id"])
        for (column, group), part in frame.groupby(["column", "group"])
        if np.isin(ids, part["image_id"]).any()
    }


def _row(
    values: Array, pair: Pair, image_of: Array, settings: Mapping[str, Any], *, nested: bool
) -> Row | None:
    """Return what a group says: the mean over units of the mean over its images, if it has any."""
    there = ~np.isnan(values)
    kept = there.any(axis=1)
    if not kept.any():
        return None
    frame = pd.DataFrame({"seed": pair.networks.seeds[kept], "mean": list(_means(values[kept]))})
    units = frame.groupby("seed")["mean"].mean() if nested else frame["mean"]
    low, high = t_interval(units.to_numpy(np.float64), settings["statistics"]["confidence"])
    return {
        "n": len(units), "images": len(np.unique(image_of[there.any(axis=0)])),
        "estimate": float(units.mean()), "low": low, "high": high,
    }  # fmt: skip


def _means(values: Array) -> Iterator[float]:
    for row in values:
        yield float(row[~np.isnan(row)].mean())
