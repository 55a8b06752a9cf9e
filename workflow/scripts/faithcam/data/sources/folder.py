"""A user's own images: class folders, or a CSV. Pixels: :mod:`~.image_files`."""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from os import walk
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.data.collection import shares
from faithcam.data.dataset import SPLITS
from faithcam.data.items import Item, divided, listed
from faithcam.data.sources.image_files import SUFFIXES, is_image, read_image, read_mask
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
    items = _items(name, definition, seed)
    path, channels = Path(definition["path"]), definition.get("channels", 1)
    return of_items(path, items, definition["size"], channels)


def split_images(name: str, definition: Mapping[str, Any], seed: int) -> dict[str, int]:
    """Return how many images each split has, from the names of the files or the CSV alone.

    Args:
        name: see :func:`source`, as the other arguments.
        definition: see there.
        seed: see there.

    Raises:
        FaithcamError: naming files, found and expected.
    """
    with redirect_stdout(io.StringIO()):  # what is left out is said when images are prepared
        images = Counter(item.split for item in _items(name, definition, seed))
    return {split: images[split] for split in SPLITS}


def _items(name: str, definition: Mapping[str, Any], seed: int) -> list[Item]:
    path = Path(definition["path"])
    items = from_folders(path) if path.is_dir() else from_csv(path)
    return divided(path, items, shares(definition), (seed, name))


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
            f"{path}: one class {classes} found, expected at least two: "
            "add a folder, or rows, of another class"
        )
    items = [item for split in SPLITS for item in items if item.split == split]
    present = {(item.split, item.label) for item in items}
    absent = [f"{label} in {s}" for s in SPLITS for label in classes if (s, label) not in present]
    if absent:
        raise FaithcamError(
            f"{path}: every class needs images in train, val and test, none found for "
            f"{listed(absent)}; give more images or groups, or your own split in a CSV"
        )
    rows = [Row(i.split, classes.index(i.label), i.group, i.name) for i in items]
    return Source(tuple(classes), size, channels, rows, _chunks(path, items, size, channels))


def from_folders(path: Path) -> list[Item]:
    """Return the images below ``path``: CLASS/NAME, or CLASS/GROUP/NAME (a patient's folder).

    NAME_mask.png, NAME_mask_1.png ... are masks of the image NAME in the same folder.

    Raises:
        FaithcamError: for a class without images, or a mask without its image.
    """
    items, orphans, ignored = [], [], 0
    folders = sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    for folder in folders:
        files = [Path(top, f) for top, _, names in walk(folder, followlinks=True) for f in names]
        images = sorted(f for f in files if not f.name.startswith(".") and is_image(f))
        ignored += len(files) - len(images)
        masks: dict[Path, list[Path]] = defaultdict(list)
        for file in images:
            if name := re.fullmatch(r"(.+)_mask(_\d+)?", file.stem):
                masks[file.with_name(name[1])].append(file)
        taken = {file for some in masks.values() for file in some}
        for file in images:
            if file not in taken:
                parts = file.relative_to(path).parts
                item = Item(
                    file, "/".join(parts), folder.name,
                    group=parts[1] if len(parts) > 2 else "/".join(parts),
                    masks=tuple(masks.get(file.with_name(file.stem), ())),
                )  # fmt: skip
                items.append(item)
        stems = {file.with_name(file.stem) for file in images if file not in taken}
        orphans += [str(file) for stem in masks if stem not in stems for file in masks[stem]]
    if ignored:
        print(f"{path}: {ignored} files are no images by name or content and were left out")
    if orphans:
        raise FaithcamError(f"{path}: masks without their image: {listed(orphans)}")
    empty = [f.name for f in folders if not any(item.label == f.name for item in items)]
    if empty or not folders:
        raise FaithcamError(
            f"{path}: {'no images in ' + listed(empty) if empty else 'no folders'}; expected one "
            f"folder per class with images ({', '.join(sorted(SUFFIXES))}) in each"
        )
    return items


def from_csv(path: Path) -> list[Item]:
    """Return the images of a CSV (UTF-8) with columns path, label[, split, group, mask].

    Paths are relative to the CSV; a mask or group can be empty, a split is train, val or test.

    Raises:
        FaithcamError: for missing columns, empty or unknown values, or files that do not exist.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns, lines = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FaithcamError(
            f"{path}: cannot be read ({error}); expected a folder of class folders, or a CSV in "
            "UTF-8 with the columns path, label[, split, group, mask]"
        ) from error
    if missing := {"path", "label"} - set(columns):
        raise FaithcamError(
            f"{path}: columns {sorted(missing)} are missing, found {list(columns)}; expected path, "
            "label[, split, group, mask], separated by commas"
        )
    items, problems = [], []
    for number, line in enumerate(lines, start=2):
        cell = {column: (line.get(column) or "").strip() for column in columns if column}
        image, mask, split = cell["path"], cell.get("mask", ""), cell.get("split", "")
        if not image or not cell["label"]:
            problems.append(f"line {number}: path or label is empty")
        elif "split" in columns and split not in SPLITS:
            problems.append(f"line {number}: split {split!r}, expected train, val or test")
        for named in filter(None, (image, mask)):
            if not (path.parent / named).is_file():
                problems.append(f"line {number}: no such file {named}")
        group = cell.get("group") or image
        masks = (path.parent / mask,) if mask else ()
        items.append(Item(path.parent / image, image, cell["label"], group, split, masks))
    if problems or not items:
        raise FaithcamError(f"{path}: {listed(problems) or 'no rows below the header'}")
    return items


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
                problems.append(f"{item.path}: {_reason(error)}")
                continue
            small = image.resize((size, size), Image.Resampling.BILINEAR)
            images[i] = np.asarray(small).reshape(size, size, channels)
            for file in item.masks:
                try:
                    masks[i] |= read_mask(file, image.size, size)
                except Exception as error:
                    problems.append(f"{file}: {_reason(error)}")
        yield images, masks
    if problems:
        raise FaithcamError(
            f"{path}: cannot be used: {listed(problems)} ({len(problems)} in all); mend or remove"
        )


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
