"""Data sets as they are written: images, masks and renderings as .npy, a table, a manifest."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faithcam.data import arrays
from faithcam.data.dataset import SPLITS, array_shapes
from faithcam.results import files

Array = np.ndarray[Any, Any]


class Row(NamedTuple):
    """One image of a source: columns of ``DATA_TABLE``, see there.

    ``label`` is a class's index; with several labels per image a tuple of those that are there.
    """

    split: str
    label: Any
    group: str
    name: str


@dataclass(frozen=True)
class Source:
    """A data set that :func:`write` takes its images from.

    Args:
        classes: names of the classes, in the order of the labels.
        size: rows = columns in pixels.
        channels: 1 (grey) or 3.
        rows: all images, ordered train, val, test.
        chunks: their pixels in this order, a few at a time: images (m, H, W, C) uint8 and masks
            (m, H, W) uint8 in {0, 1}; with planted parts two arrays more: the parts' and decoys'
            masks (m, P + D, H, W) uint8 in {0, 1}, and of those images that are in the test split
            the renderings (k, 2^P + 2 D, H, W, C) uint8; with masks of each finding one array more,
            (m, classes, H, W) uint8 in {0, 1}. Volumes have their slices S before H.
        parts: names of the P planted parts.
        decoys: their number D.
        seed: the training seed whose networks these images are for; None if they are for all.
        slices: of a volume; 0 for images.
        multi_label: whether an image has any number of the classes.
        finding_masks: whether each class has masks of its own.
    """

    classes: tuple[str, ...]
    size: int
    channels: int
    rows: Sequence[Row]
    chunks: Iterator[tuple[Array, ...]]
    parts: tuple[str, ...] = ()
    decoys: int = 0
    seed: int | None = None
    slices: int = 0
    multi_label: bool = False
    finding_masks: bool = False


def write(name: str, origin: str, source: Source, folder: Path) -> dict[str, Any]:
    """Write a data set chunk by chunk: only one chunk is ever in memory. The manifest comes last.

    Args:
        name: of the data set.
        origin: phantom, medmnist, folder, or the name of a collection.
        source: what to write.
        folder: where to.

    Returns:
        The manifest: what is in manifest.json.
    """
    from faithcam.data.tables import DATA_TABLE, MULTI_LABEL_TABLE
    from faithcam.results import io as tables

    folder.mkdir(parents=True, exist_ok=True)
    files.remove(folder / "manifest.json")
    for killed in folder.glob(".*.part"):
        killed.unlink()
    manifest = _manifest(name, origin, source)
    shapes = array_shapes(manifest)
    digests: list[str] = []
    lesions: list[bool] = []
    with ExitStack() as stack:
        writers = [
            stack.enter_context(arrays.writer(folder / name, shape))
            for name, shape in shapes.items()
        ]
        for pixels, mask, *planted in source.chunks:
            digests += [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]
            lesions += [bool(lesion.any()) for lesion in mask]
            for writer, rows in zip(writers, (pixels, mask, *planted), strict=True):
                writer.append(rows)
    split, label, group, names = zip(*source.rows, strict=True)
    label_column = "labels" if source.multi_label else "label"
    columns = {
        "image_id": range(len(source.rows)), "split": split, "group": group,
        label_column: list(map(list, label)) if source.multi_label else label,
        "name": names, "pixels_sha256": digests, "has_mask": lesions,
    }  # fmt: skip
    schema = MULTI_LABEL_TABLE if source.multi_label else DATA_TABLE
    tables.write(folder / "table.parquet", columns, schema)
    manifest["leaks"] = leaks(source.rows, digests)
    manifest["parts"] = {part: files.digest(folder / part) for part in (*shapes, "table.parquet")}
    with files.recorded(folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _manifest(name: str, origin: str, source: Source) -> dict[str, Any]:
    """Return what is known of a data set before its pixels are read."""
    splits = {}
    for split in SPLITS:
        labels = [row.label for row in source.rows if row.split == split]
        each = [c for classes in labels for c in classes] if source.multi_label else labels
        counts = np.bincount(np.array(each, np.int64), minlength=len(source.classes))
        splits[split] = {"images": len(labels), "per_class": counts.tolist()}
    manifest: dict[str, Any] = {
        "name": name,
        "source": origin,
        "classes": list(source.classes),
        "size": source.size,
        "channels": source.channels,
        "images": len(source.rows),
        "splits": splits,
        "leaks": [],
        "parts": {},
    }
    if source.seed is not None:
        manifest["seed"] = source.seed
    if source.slices:
        manifest["slices"] = source.slices
    if source.multi_label:
        manifest["multi_label"] = True
    if source.finding_masks:
        manifest["finding_masks"] = True
    if source.parts:
        manifest["planted"] = {"parts": list(source.parts), "decoys": source.decoys}
    return manifest


def leaks(rows: Sequence[Row], digests: Sequence[str]) -> list[dict[str, Any]]:
    """Return the images whose stored pixels are in an earlier split, or have two labels in one.

    Args:
        rows: ordered train, val, test.
        digests: sha256 of each image's pixels.

    Returns:
        One {"a": name, "a_split", "a_label", "b", "b_split", "b_label"} per image b and split; a is
        that split's first image with the same pixels and, if it is b's own, another label.
    """
    seen: dict[str, dict[Any, Row]] = {}  # by split and label, in the order of the rows
    pairs = []
    for b, digest in zip(rows, digests, strict=True):
        same = seen.setdefault(digest, {})
        first: dict[str, Row] = {}
        for a in same.values():
            if a.split != b.split or a.label != b.label:
                first.setdefault(a.split, a)
        for split, a in first.items():
            pair = {"a": a.name, "a_split": split, "a_label": a.label}
            pairs.append(pair | {"b": b.name, "b_split": b.split, "b_label": b.label})
        same.setdefault((b.split, b.label), b)
    return pairs
