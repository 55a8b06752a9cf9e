"""Prepared data sets as they are read: memory-mapped images and masks, labels, splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faithcam.core.errors import FaithcamError
from faithcam.data.arrays import StoredArray
from faithcam.results import files

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    Array = np.ndarray[Any, Any]
    Rows = Array | StoredArray

SPLITS = ("train", "val", "test")
DECOYS = 6  # of a phantom whose parts are known
TEXTURES = 2  # other backgrounds that each decoy is rendered with


@dataclass(frozen=True)
class Dataset:
    """A prepared data set; row i of every array is image_id i.

    Args:
        name: of the data set.
        classes: names of the classes, in the order of the labels.
        size: rows = columns in pixels.
        channels: 1 (grey) or 3.
        images: memory-mapped uint8 (n, H, W, C), of volumes (n, S, H, W, C).
        masks: memory-mapped uint8 {0, 1} (n, H, W), of volumes (n, S, H, W).
        image_ids: 0 .. n - 1.
        labels: true classes (n,); with several labels per image (n, classes) in {0, 1}.
        splits: train, val or test (n,).
        parts: names of the P planted parts; the following are there only with planted parts.
        decoys: number D of regions that are only background.
        part_masks: memory-mapped uint8 {0, 1} (n, P + D, H, W), parts before decoys; zero outside
            the test split.
        renderings: memory-mapped uint8 (n_test, 2^P + 2 D, H, W, C) of the test images: with every
            set of parts (bit i of the index: parts[i]), then with other background in each decoy,
            then with a second other background.
        finding_masks: memory-mapped uint8 {0, 1} (n, classes, H, W), of volumes (n, classes, S, H,
            W), where each class has masks of its own.
        manifest_sha256: of the file that says what all of these are; "" if there is none.
    """

    name: str
    classes: tuple[str, ...]
    size: int
    channels: int
    images: Rows
    masks: Rows
    image_ids: Array
    labels: Array
    splits: Array
    parts: tuple[str, ...] = ()
    decoys: int = 0
    part_masks: Rows | None = None
    renderings: Rows | None = None
    finding_masks: Rows | None = None
    manifest_sha256: str = ""

    @property
    def slices(self) -> int:
        """The slices of a volume; 0 for images."""
        return self.images.shape[1] if self.images.ndim == 5 else 0

    @property
    def multi_label(self) -> bool:
        """Whether an image has any number of the classes."""
        return self.labels.ndim == 2

    def split(self, name: str) -> Array:
        """Return the image_ids of a split, sorted."""
        return np.asarray(self.image_ids[self.splits == name])

    def renderings_of(self, image_ids: Sequence[int] | Array) -> Array:
        """Return the renderings of some images, uint8 (m, 2^P + 2 D, H, W, C).

        Raises:
            FaithcamError: if there are none of one of the images.
        """
        test = self.split("test")
        others = sorted({int(i) for i in image_ids} - set(test.tolist()))
        if self.renderings is None or others:
            why = f"images {others[:5]} are not in the test split" if others else "no planted parts"
            raise FaithcamError(
                f"data set {self.name}: no renderings ({why}); only test images of phantoms with a "
                "task have them"
            )
        return np.asarray(self.renderings[np.searchsorted(test, np.asarray(image_ids))])


def array_shapes(manifest: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array file of a data set, by the files' names."""
    count, size = manifest["images"], manifest["size"]
    pixels = (*([manifest["slices"]] if "slices" in manifest else []), size, size)
    image = (*pixels, manifest["channels"])
    shapes: dict[str, tuple[int, ...]] = {
        "images.npy": (count, *image),
        "masks.npy": (count, *pixels),
    }
    if manifest.get("finding_masks"):
        shapes["finding_masks.npy"] = (count, len(manifest["classes"]), *pixels)
    if planted := manifest.get("planted"):
        parts, decoys = len(planted["parts"]), planted["decoys"]
        tests = manifest["splits"]["test"]["images"]
        shapes["part_masks.npy"] = (count, parts + decoys, *pixels)
        shapes["renderings.npy"] = (tests, 2**parts + TEXTURES * decoys, *image)
    return shapes


def open_dataset(folder: Path) -> Dataset:
    """Open a prepared data set without reading its images: they are checked when they are read.

    Raises:
        FaithcamError: if a part is missing, of another data set, or not what was written.
    """
    from faithcam.results import io as tables

    record = folder / "manifest.json"
    manifest = files.read_json(record)
    shapes = array_shapes(manifest)
    arrays = {name: StoredArray(folder / name, shape, record) for name, shape in shapes.items()}
    table = tables.read(files.verified(folder / "table.parquet", record))
    for name, expected in manifest["parts"].items():
        found = files.record_of(folder / name, record).get("sha256", expected)
        if found != expected:
            raise files.changed(folder / name, found, expected, record)
    planted = manifest.get("planted", {"parts": [], "decoys": 0})
    return Dataset(
        manifest["name"],
        tuple(manifest["classes"]),
        manifest["size"],
        manifest["channels"],
        arrays["images.npy"],
        arrays["masks.npy"],
        table["image_id"].to_numpy(),
        _labels(table, len(manifest["classes"]), manifest.get("multi_label", False)),
        np.array(table["split"].to_pylist()),
        tuple(planted["parts"]),
        planted["decoys"],
        arrays.get("part_masks.npy"),
        arrays.get("renderings.npy"),
        arrays.get("finding_masks.npy"),
        files.digest(record),
    )


def _labels(table: pa.Table, classes: int, multi_label: bool) -> Array:
    if not multi_label:
        return np.asarray(table["label"].to_numpy())
    positive = np.zeros((len(table), classes), np.uint8)
    for row, labels in zip(positive, table["labels"].to_pylist(), strict=True):
        row[labels] = 1
    return positive


def to_tensor(images: Array) -> torch.Tensor:
    """Return uint8 images (n, H, W, C) as float32 (n, 3, H, W) in [-1, 1]; grey is repeated.

    Volumes (n, S, H, W, C) become (n, S, 3, H, W).
    """
    import torch

    channels_first = torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, -3)
    scaled = channels_first.float() / 127.5 - 1
    return scaled.expand(*scaled.shape[:-3], 3, -1, -1).contiguous()


def channels_last(images: torch.Tensor) -> torch.Tensor:
    """Return images laid out as networks are fastest with; volumes are, slice by slice, later."""
    import torch

    return images.to(memory_format=torch.channels_last) if images.ndim == 4 else images
