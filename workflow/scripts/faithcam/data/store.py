"""Prepared data sets on disk: memory-mapped images and masks, a table, a manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faithcam import seeding, tables
from faithcam.errors import FaithcamError

if TYPE_CHECKING:
    import torch

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Dataset:
    """A prepared data set; row i of every array is image_id i.

    Args:
        name: of the data set.
        classes: names of the classes, in the order of the labels.
        size: rows = columns in pixels.
        channels: 1 (grey) or 3.
        images: memory-mapped uint8 (n, H, W, C).
        masks: memory-mapped uint8 {0, 1} (n, H, W).
        image_ids: 0 .. n - 1.
        labels: true classes (n,).
        splits: train, val or test (n,).
    """

    name: str
    classes: tuple[str, ...]
    size: int
    channels: int
    images: Array
    masks: Array
    image_ids: Array
    labels: Array
    splits: Array

    def split(self, name: str) -> Array:
        """Return the image_ids of a split, sorted."""
        return np.asarray(self.image_ids[self.splits == name])


def open_dataset(folder: Path) -> Dataset:
    """Open a prepared data set without reading its images.

    Raises:
        FaithcamError: if a part is missing or has another size than the manifest says.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        masks = np.load(folder / "masks.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FaithcamError(
            f"{folder}: not a whole prepared data set ({error}); delete the folder and run again"
        ) from error
    table = tables.read(folder / "table.parquet")
    count, size, channels = manifest["images"], manifest["size"], manifest["channels"]
    found = (len(table), images.shape, masks.shape)
    expected = (count, (count, size, size, channels), (count, size, size))
    if found != expected:
        raise FaithcamError(
            f"{folder}: rows, images and masks are {found}, expected {expected} by the manifest; "
            "delete the folder and run again"
        )
    return Dataset(
        manifest["name"],
        tuple(manifest["classes"]),
        size,
        channels,
        images,
        masks,
        table["image_id"].to_numpy(),
        table["label"].to_numpy(),
        np.array(table["split"].to_pylist()),
    )


def to_tensor(images: Array) -> torch.Tensor:
    """Return uint8 images (n, H, W, C) as float32 (n, 3, H, W) in [-1, 1]; grey is repeated."""
    import torch

    channels_first = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    scaled = channels_first.float() / 127.5 - 1
    return scaled.expand(-1, 3, -1, -1).contiguous()


def explained_images(dataset: Dataset, count: int, seed: int) -> Array:
    """Choose the test images that are explained: class-stratified, keyed per image.

    Each class gets its share of the test split (largest remainder, at least one image); inside a
    class every image has a keyed rank, so a larger count keeps what a smaller one chose as far as
    the shares allow.

    Args:
        dataset: the data set.
        count: how many.
        seed: the experiment's seed.

    Returns:
        Sorted image_ids (count,).

    Raises:
        FaithcamError: if there are fewer test images, or fewer explained images than classes.
    """
    test = dataset.split("test")
    labels = dataset.labels[test]
    present, sizes = np.unique(labels, return_counts=True)
    if not len(present) <= count <= len(test):
        raise FaithcamError(
            f"explained_images: {count} found, expected {len(present)} (the classes) to {len(test)}"
            f" (the test images) for data set {dataset.name}; set it in the config, or for this "
            f"data set alone in dataset_definitions.{dataset.name}.explained_images"
        )
    shares = count * sizes / len(test)
    quotas = np.maximum(np.floor(shares).astype(int), 1)
    while quotas.sum() < count:
        quotas[np.argmax(np.where(quotas < sizes, shares - quotas, -np.inf))] += 1
    while quotas.sum() > count:
        quotas[np.argmin(np.where(quotas > 1, shares - quotas, np.inf))] -= 1
    chosen = []
    for label, quota in zip(present.tolist(), quotas.tolist(), strict=True):
        members = test[labels == label].tolist()
        members.sort(key=lambda i: seeding.key(seed, dataset.name, i, "explained"))
        chosen += members[:quota]
    return np.array(sorted(chosen), dtype=np.int64)
