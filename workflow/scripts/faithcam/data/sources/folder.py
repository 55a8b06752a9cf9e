"""A user's own images: class folders, or a CSV. Pixels: :mod:`~.image_files`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faithcam.core.errors import FaithcamError, reason
from faithcam.data.collection import shares
from faithcam.data.dataset import SPLITS
from faithcam.data.items import Item, divided, listed
from faithcam.data.sources import class_folders, image_table
from faithcam.data.sources.image_files import read_image, read_mask
from faithcam.data.sources.listing import Listing
from faithcam.data.store import Row, Source

CHUNK = 8 << 20  # bytes of images written at once

Array = np.ndarray[Any, Any]


def source(name: str, definition: Mapping[str, Any], seed: int) -> Source:
    """Return the data set of a folder or CSV.

    Args:
        name: of the data set; with the seed it names the streams of the split.
        definition: ``path`` and ``size``; optional ``channels`` (1), ``val`` (0.15) and ``test``
            (0.2), shares of the groups where no split is given.
        seed: the experiment's seed.

    Raises:
        FaithcamError: naming files, found and expected; for the pixels, when chunks are read.
    """
    found = items(name, definition, seed)
    return of_items(
        Path(definition["path"]), found, definition["size"], definition.get("channels", 1)
    )


def items(name: str, definition: Mapping[str, Any], seed: int) -> list[Item]:
    """Return the images of a folder or CSV, with a split each; arguments as of :func:`source`.

    Raises:
        FaithcamError: naming all that cannot be used.
    """
    path = Path(definition["path"])
    return divided(path, listing(path).checked(), shares(definition), (seed, name))


def left_out(definition: Mapping[str, Any]) -> str:
    """Return a sentence on the files that are no images; "" if there are none."""
    return listing(Path(definition["path"])).note()


def of_items(path: Path, items: Sequence[Item], size: int, channels: int) -> Source:
    """Return the data set of images that have a split each.

    Args:
        path: what errors name.
        items: in any order of the splits.
        size: rows = columns in pixels that images are resized to.
        channels: 1 (grey) or 3.

    Raises:
        FaithcamError: if there are fewer than two classes, or a class is not in every split; for
            the pixels, when chunks are read.
    """
    classes = sorted({item.label for item in items})
    if len(classes) < 2:
        raise FaithcamError(
            f"{path}: one class {classes} found, expected at least two: add a folder, or rows, of "
            "another class, or name the folder that holds the class folders as path"
        )
    items = [item for split in SPLITS for item in items if item.split == split]
    present = {(item.split, item.label) for item in items}
    absent = [f"{label} in {s}" for s in SPLITS for label in classes if (s, label) not in present]
    if absent:
        groups = {label: {item.group for item in items if item.label == label} for label in classes}
        counts = ", ".join(f"{label} {len(groups[label])}" for label in classes)
        raise FaithcamError(
            f"{path}: every class needs images in train, val and test, none found for "
            f"{listed(absent)}; give more images or groups (patients' folders, or images; found: "
            f"{counts}), or your own split in a CSV"
        )
    rows = [Row(i.split, classes.index(i.label), i.group, i.name) for i in items]
    return Source(tuple(classes), size, channels, rows, _chunks(path, items, size, channels))


def listing(path: Path) -> Listing:
    """Return what a folder or a CSV lists.

    Raises:
        FaithcamError: if it cannot be read at all; of what is wrong in it, the listing tells.
    """
    return class_folders.read(path) if os.path.isdir(path) else image_table.read(path)


def from_folders(path: Path) -> list[Item]:
    """Return the images of class folders: see :mod:`~.class_folders`.

    Raises:
        FaithcamError: naming all that cannot be used.
    """
    return class_folders.read(path).checked()


def from_csv(path: Path) -> list[Item]:
    """Return the images of a CSV: see :mod:`~.image_table`.

    Raises:
        FaithcamError: naming all that cannot be used.
    """
    return image_table.read(path).checked()


def _chunks(
    path: Path, items: Sequence[Item], size: int, channels: int
) -> Iterator[tuple[Array, Array]]:
    problems = []
    many = max(1, CHUNK // (size * size * channels))
    for start in range(0, len(items), many):
        chunk = items[start : start + many]
        images = np.zeros((len(chunk), size, size, channels), np.uint8)
        masks = np.zeros((len(chunk), size, size), np.uint8)
        for i, item in enumerate(chunk):
            try:
                image = read_image(item.path).convert("L" if channels == 1 else "RGB")
            except Exception as error:  # decoders fail in many ways; each file is named below
                problems.append(f"{item.path}: {reason(error)}")
                continue
            small = image.resize((size, size), Image.Resampling.BILINEAR)
            images[i] = np.asarray(small).reshape(size, size, channels)
            for file in item.masks:
                try:
                    masks[i] |= read_mask(file, image.size, size)
                except Exception as error:
                    problems.append(f"{file}: {reason(error)}")
        yield images, masks
    if problems:
        raise FaithcamError(
            f"{path}: cannot be used: {listed(problems)} ({len(problems)} in all); mend or move"
        )
