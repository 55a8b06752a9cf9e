"""The job that takes in maps that were made elsewhere, as if a method had made them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from faithcam.core.errors import FaithcamError
from faithcam.maps.given import Grids, MapFile, read
from faithcam.maps.pixels import on_cells
from faithcam.maps.tables import MAPS, VOLUME_MAPS
from faithcam.results import io as tables
from faithcam.running.shard import Shard

SHOWN = 5  # images that an error names
NOT_GIVEN = -1  # in place of a row of the file


def imported(shard: Shard, method: str, path: Path, settings: Mapping[str, Any]) -> pa.Table:
    """Return the maps of a shard's images (``MAPS``, of volumes ``VOLUME_MAPS``) from a file.

    A map is taken as it is for both explained scores. A file without classes holds maps of the
    predicted class. Where the label is another one and the file has no map of it, the map of the
    label is NaN: what is computed from it is undefined.

    Args:
        shard: the model and its images.
        method: name of the maps.
        path: of the file.
        settings: ``cells`` and ``pixels``, the shapes that maps can have.

    Raises:
        FaithcamError: if the file is not as described, or the map of an image is missing or not
            finite.
    """
    grids = Grids(tuple(settings["cells"]), tuple(settings["pixels"]))
    images, classes = len(shard.dataset.labels), len(shard.dataset.classes)
    found = read(path, grids, images * classes)
    if shard.multi_label and found.classes is None:
        raise FaithcamError(
            f"{path}: no classes found, expected the class of every map, since images of "
            f"{shard.dataset.name} have several labels"
        )
    row_of = _rows(path, found, shard)
    maps = _on_cells(path, found, row_of, grids)
    rows = tables.Collector(
        VOLUME_MAPS if shard.dataset.slices else MAPS,
        ["explained_class", "explained_score", "image_id", "class"],
    )
    classes_of = {"predicted": shard.predicted, "label": shard.labels}
    for explained_class in shard.explained_classes:
        explained = classes_of[explained_class]
        pairs = [*zip(shard.image_ids.tolist(), explained.tolist(), strict=True)]
        chosen = [maps[row_of.get(pair, NOT_GIVEN)] for pair in pairs]
        if absent := [image for image, c in pairs if (image, c) not in row_of]:
            print(f"no maps of the label of images {absent}: what is computed of them is undefined")
        for explained_score in shard.explained_scores:
            rows.add(
                len(chosen),
                {
                    **asdict(shard.identity),
                    "method": method,
                    "image_id": shard.image_ids.tolist(),
                    "explained_class": explained_class,
                    "explained_score": explained_score,
                    "class": explained.tolist(),
                    "slices": grids.cells[0],
                    "height": grids.cells[-2],
                    "width": grids.cells[-1],
                    "score": float("nan"),  # nobody says what they should add up to
                    "map": chosen,
                },
            )
    return rows.table()


def _rows(path: Path, found: MapFile, shard: Shard) -> dict[tuple[int, int], int]:
    """Return the rows of the maps that the shard's images need, by image and class."""
    ids, predicted = shard.image_ids.tolist(), shard.predicted.tolist()
    if found.classes is None:
        row_of = {image: row for row, image in enumerate(found.image_ids.tolist())}
        rows = {(i, c): row_of[i] for i, c in zip(ids, predicted, strict=True) if i in row_of}
    else:
        pairs = zip(found.image_ids.tolist(), found.classes.tolist(), strict=True)
        rows = {pair: row for row, pair in enumerate(pairs)}
    if missing := [pair for pair in zip(ids, predicted, strict=True) if pair not in rows]:
        named = ", ".join(f"{image} (class {explained})" for image, explained in missing[:SHOWN])
        what = "the classes explained" if shard.multi_label else "the predicted classes"
        there = {image for image, _ in rows}
        others = [image for image, _ in missing if image in there]
        of_others = f"; of images {others[:SHOWN]} other classes are there" if others else ""
        raise FaithcamError(
            f"{path}: no map of {len(missing)} explained images, e.g. {named}{of_others}; expected "
            f"one of each explained image, of {what}"
        )
    needed = {*zip(ids * 2, [*predicted, *shard.labels.tolist()], strict=True)}
    return {pair: row for pair, row in rows.items() if pair in needed}


def _on_cells(
    path: Path, found: MapFile, row_of: Mapping[tuple[int, int], int], grids: Grids
) -> dict[int, np.ndarray]:
    """Return maps by row of the file, one number per cell; NaN for what is not there."""
    rows = sorted(row_of.values())
    maps = on_cells(torch.from_numpy(found.maps[rows].astype(np.float64)), grids.cells)
    flat = maps.float().flatten(1)
    finite = dict(zip(rows, flat.isfinite().all(1).tolist(), strict=True))
    if bad := [image for (image, _), row in row_of.items() if not finite[row]]:
        raise FaithcamError(
            f"{path}: the maps of images {bad[:SHOWN]} are not finite, expected numbers that "
            "float32 can hold, no NaN or infinity"
        )
    nothing = np.full(flat.shape[1], np.nan, np.float32)
    return {NOT_GIVEN: nothing, **dict(zip(rows, flat.numpy(), strict=True))}
