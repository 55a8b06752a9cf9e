"""Example maps beside the truth: what each cell contributes, on images that nobody picked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from faithcam.core.ranks import ranks, spearman
from faithcam.data.dataset import open_dataset
from faithcam.figures import examples, style
from faithcam.results import io as tables
from faithcam.statistics.settings import where
from faithcam.truth.estimands import ESTIMANDS

Array = np.ndarray[Any, Any]
TRUTH = "truth"  # beside the names of methods


def draw_stored(
    data: Path | str,
    truth_files: Sequence[Path | str],
    map_files: Sequence[Path | str],
    estimand: str,
    title: str,
    path: Path | str,
    count: int = 6,
) -> None:
    """Draw what the cells of some images contribute, and stored maps of the same score.

    The score is the centred logit of the predicted class; with several labels the logit of the
    label. The images are the first ones with a truth of each class in turn: nobody picked them.

    Args:
        data: folder of the prepared data set.
        truth_files: one network's stored truth (``TRUTH``), all shards.
        map_files: its stored maps (``MAPS``), all methods and shards.
        estimand: whose truth.
        title: which network this is.
        path: PNG file to write.
        count: how many images to show.
    """
    dataset, title = open_dataset(Path(data)), f"{title} (truth: {ESTIMANDS[estimand].title})"
    truth = pd.concat([tables.read_of_network(file).to_pandas() for file in truth_files])
    truth = where(truth, estimand=estimand).sort_values(["image_id", "class"])
    if truth.empty:
        with style.figure(path, 8, 2, title) as fig:
            style.nothing(fig, f"no truth of {estimand}")
        return
    turn = truth.groupby("label").cumcount()
    chosen = truth.assign(turn=turn).sort_values(["turn", "label"], kind="stable").head(count)
    stored = pd.concat([tables.read_of_network(file).to_pandas() for file in map_files])
    kind = ("label", "logit") if dataset.multi_label else ("predicted", "centred")
    stored = where(stored, explained_class=kind[0], explained_score=kind[1])
    keys = list(chosen[["image_id", "class"]].itertuples(index=False, name=None))
    maps = {TRUTH: np.stack([_cells(row, "values") for row in chosen.to_dict("records")])}
    for method, rows in stored.groupby("method"):
        of_key = {(row["image_id"], row["class"]): row for row in rows.to_dict("records")}
        maps[str(method)] = np.stack([_cells(of_key[key], "map") for key in keys])
    ids, classes = (chosen[name].to_numpy() for name in ("image_id", "class"))
    masks = dataset.masks[ids]
    if dataset.multi_label and dataset.finding_masks is not None:
        masks = dataset.finding_masks[ids, classes]
    examples.draw(
        dataset.images[ids],
        masks,
        maps,
        dataset.classes,
        chosen["predicted"].tolist(),
        chosen["label"].tolist(),
        title,
        path,
        notes=_notes(maps, chosen),
    )


def _cells(row: Any, name: str) -> Array:
    return np.reshape(row[name], (int(row["height"]), int(row["width"])))


def _notes(maps: dict[str, Array], chosen: pd.DataFrame) -> dict[str, list[str]]:
    """Return what stands below each map: its Spearman with the truth, the truth's reliability."""
    known = torch.from_numpy(maps[TRUTH].astype(np.float32))
    notes = {
        method: [f"Spearman {rho:.2f}" for rho in _spearman(known, values)]
        for method, values in maps.items()
    }
    notes[TRUTH] = [
        f"reliability {row.reliability:.2f}" + ("" if row.resolved else ", unresolved")
        for row in chosen.itertuples()
    ]
    return notes


def _spearman(truth: torch.Tensor, values: Array) -> list[float]:
    maps = torch.from_numpy(values.astype(np.float32))
    rho: list[float] = spearman(ranks(truth), ranks(maps)).tolist()
    return rho
