"""The stored contributions of cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.results import io as tables
from faithcam.truth.contributions import Truth


class StoredTruth:
    """Contributions of the cells of one network's images, by estimand.

    Args:
        files: of the network, in shards of any size (``TRUTH``).
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = list(files)
        table = pa.concat_tables([tables.read_of_network(file) for file in files])
        self._rows: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}
        self._classes: dict[int, list[int]] = {}
        for row in table.to_pylist():
            image, explained = row["image_id"], row["class"]
            self._rows.setdefault(row["estimand"], {})[image, explained] = row
            if explained not in self._classes.setdefault(image, []):
                self._classes[image].append(explained)

    def of(
        self,
        image_ids: Sequence[int],
        device: torch.device | None = None,
        classes: Sequence[int] | None = None,
    ) -> dict[str, Truth]:
        """Return the contributions of some images' cells by estimand.

        Args:
            image_ids: of the images, (N,), in any order, also more than once.
            device: where the tensors are wanted.
            classes: whose score is explained, (N,); needed where images have several labels.

        Raises:
            FaithcamError: if there are none of an image, or of several classes and none is chosen.
        """
        if classes is None:
            classes = [self._class_of(image) for image in image_ids]
        keys = list(zip(image_ids, classes, strict=True))
        return {name: self._truth(rows, keys, device) for name, rows in self._rows.items()}

    def _class_of(self, image: int) -> int:
        classes = self._classes.get(image, [])
        if len(classes) != 1:
            raise FaithcamError(
                f"{', '.join(self._files)}: contributions of image {image} to {len(classes)} "
                "scores found, expected 1; ask for the first truth.images explained images, and "
                "for one class where an image has several labels"
            )
        return classes[0]

    def _truth(
        self,
        rows: dict[tuple[int, int], dict[str, Any]],
        keys: Sequence[tuple[int, int]],
        device: torch.device | None,
    ) -> Truth:
        if missing := [key for key in keys if key not in rows]:
            raise FaithcamError(
                f"{', '.join(self._files)}: no contributions of image {missing[0][0]} to class "
                f"{missing[0][1]} found; run again with `--forcerun compute_truth`"
            )
        chosen = [rows[key] for key in keys]
        size = (chosen[0]["height"], chosen[0]["width"]) if chosen else (0, 0)

        def stacked(name: str) -> Tensor:
            return torch.from_numpy(np.array([row[name] for row in chosen])).to(device)

        values, first, second = (
            stacked(name).view(-1, *size) for name in ("values", "first_half", "second_half")
        )
        return Truth(
            values,
            torch.stack([first, second]),
            stacked("reliability"),
            stacked("score"),
            stacked("reference_score"),
            stacked("permutations"),
        )
