"""Prepared data sets on disk: memory-mapped images and masks, a table, a manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.data.tables import DATA_TABLE, MULTI_LABEL_TABLE
from faithcam.results import io as tables

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    Array = np.ndarray[Any, Any]

SPLITS = ("train", "val", "test")
TEXTURES = 2  # other backgrounds that each decoy is rendered with


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
    """Where :func:`write` takes a data set from.

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
    parts: tuple[str, ...] = ()
    decoys: int = 0
    part_masks: Array | None = None
    renderings: Array | None = None
    finding_masks: Array | None = None

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
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    for killed in folder.glob(".*.part"):
        killed.unlink()
    shapes = _shapes(
        len(source.rows),
        sum(row.split == "test" for row in source.rows),
        _shape(source.slices, source.size, source.channels),
        len(source.parts),
        source.decoys,
        len(source.classes) * source.finding_masks,
    )
    digests: list[str] = []
    lesions: list[bool] = []
    with ExitStack() as stack:
        files = [
            stack.enter_context(_array_file(folder / name, shape)) for name, shape in shapes.items()
        ]
        for pixels, mask, *planted in source.chunks:
            digests += [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]
            lesions += [bool(lesion.any()) for lesion in mask]
            for file, rows in zip(files, (pixels, mask, *planted), strict=True):
                file.append(rows)
    split, label, group, names = zip(*source.rows, strict=True)
    several = source.multi_label
    columns = {
        "image_id": range(len(source.rows)), "split": split, "group": group,
        "labels" if several else "label": [list(x) for x in label] if several else label,
        "name": names, "pixels_sha256": digests, "has_mask": lesions,
    }  # fmt: skip
    schema = MULTI_LABEL_TABLE if several else DATA_TABLE
    tables.write(folder / "table.parquet", columns, schema)
    splits = {}
    for part in SPLITS:
        found = [row.label for row in source.rows if row.split == part]
        each = [c for labels in found for c in labels] if several else found
        counts = np.bincount(np.array(each, np.int64), minlength=len(source.classes))
        splits[part] = {"images": len(found), "per_class": counts.tolist()}
    manifest = {
        "name": name,
        "source": origin,
        "classes": list(source.classes),
        "size": source.size,
        "channels": source.channels,
        "images": len(source.rows),
        "splits": splits,
        "leaks": leaks(source.rows, digests),
        "parts": {
            **{name: file.digest.hexdigest() for name, file in zip(shapes, files, strict=True)},
            "table.parquet": hashlib.sha256((folder / "table.parquet").read_bytes()).hexdigest(),
        },
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
    with tables.atomic_path(folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _shape(slices: int, size: int, channels: int) -> tuple[int, ...]:
    """Return (H, W, C) of images, (S, H, W, C) of volumes."""
    return (*([slices] if slices else []), size, size, channels)


def _shapes(
    count: int, tests: int, image: tuple[int, ...], parts: int, decoys: int, findings: int
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array file of a data set with ``image`` = (H, W, C).

    Args:
        count: number of images.
        tests: those in the test split.
        image: see :func:`_shape`.
        parts: planted ones.
        decoys: regions that are only background.
        findings: classes with masks of their own.
    """
    shapes: dict[str, tuple[int, ...]] = {
        "images.npy": (count, *image),
        "masks.npy": (count, *image[:-1]),
    }
    if findings:
        shapes["finding_masks.npy"] = (count, findings, *image[:-1])
    if parts:
        shapes["part_masks.npy"] = (count, parts + decoys, *image[:2])
        shapes["renderings.npy"] = (tests, 2**parts + TEXTURES * decoys, *image)
    return shapes


class _ArrayFile:
    """A .npy file of uint8 that grows chunk by chunk, and its sha256."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...]) -> None:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        self.file, self.shape, self.count = file, shape, 0
        self.digest = hashlib.sha256(header.getvalue())
        file.write(header.getvalue())

    def append(self, rows: Array) -> None:
        if rows.dtype != np.uint8 or rows.shape[1:] != self.shape[1:]:
            raise ValueError(f"{rows.dtype} {rows.shape} does not fit into uint8 {self.shape}")
        content = rows.tobytes()
        if rows.any():
            self.file.write(content)
        else:  # a hole takes no disk
            self.file.seek(len(content), os.SEEK_CUR)
        self.digest.update(content)
        self.count += len(rows)


@contextmanager
def _array_file(path: Path, shape: tuple[int, ...]) -> Iterator[_ArrayFile]:
    with tables.atomic_path(path) as temporary, temporary.open("wb") as file:
        array = _ArrayFile(file, shape)
        yield array
        file.truncate()
        if array.count != shape[0]:
            raise ValueError(f"{path}: {array.count} rows came, {shape[0]} were announced")


def leaks(rows: Sequence[Row], digests: Sequence[str]) -> list[dict[str, Any]]:
    """Return the images whose stored pixels are also in an earlier split.

    Args:
        rows: ordered train, val, test.
        digests: sha256 of each image's pixels.

    Returns:
        One {"a": name, "a_split", "a_label", "b", "b_split", "b_label"} per image b and earlier
        split; a is that split's first image with the same pixels.
    """
    first: dict[str, dict[str, Row]] = {}
    found = []
    for b, digest in zip(rows, digests, strict=True):
        same = first.setdefault(digest, {})
        for split, a in same.items():
            if split != b.split:
                pair = {"a": a.name, "a_split": split, "a_label": a.label}
                found.append(pair | {"b": b.name, "b_split": b.split, "b_label": b.label})
        same.setdefault(b.split, b)
    return found


def folder_fingerprint(path: Path | str) -> str:
    """Return a cheap hash of a user's images: names, sizes and times of change of the files.

    Args:
        path: a folder of class folders, or a CSV: then of the CSV and the files it names.

    Raises:
        FaithcamError: if there is no such file or folder.
    """
    path = Path(path)
    if path.is_dir():
        walk = os.walk(path, followlinks=True)
        return files_fingerprint([Path(top, name) for top, _, names in walk for name in names])
    if not path.is_file():
        raise FaithcamError(
            f"{path}: no such file or folder; expected a folder of class folders, or a CSV"
        )
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        named = {row.get(name) for row in csv.DictReader(file) for name in ("path", "mask")}
    return files_fingerprint([path, *(path.parent / name for name in named if name)])


def files_fingerprint(paths: Sequence[Path]) -> str:
    """Return a hash of the names, sizes and times of change of files, in any order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        state = path.stat() if path.exists() else None
        facts = (state.st_size, state.st_mtime_ns) if state else "missing"
        digest.update(f"{path} {facts}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def open_dataset(folder: Path) -> Dataset:
    """Open a prepared data set without reading its images.

    Raises:
        FaithcamError: if a part is missing or has another size than the manifest says.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        planted = manifest.get("planted", {"parts": [], "decoys": 0})
        count, size, channels = manifest["images"], manifest["size"], manifest["channels"]
        shapes = _shapes(
            count,
            manifest["splits"]["test"]["images"],
            _shape(manifest.get("slices", 0), size, channels),
            len(planted["parts"]),
            planted["decoys"],
            len(manifest["classes"]) * manifest.get("finding_masks", False),
        )
        arrays = {
            name: np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in shapes
        }
    except (OSError, ValueError) as error:
        raise FaithcamError(
            f"{folder}: not a whole prepared data set ({error}); delete the folder and run again"
        ) from error
    table = tables.read(folder / "table.parquet")
    found = (len(table), *(array.shape for array in arrays.values()))
    expected = (count, *shapes.values())
    if found != expected:
        raise FaithcamError(
            f"{folder}: rows and arrays ({', '.join(shapes)}) are {found}, expected {expected} by "
            "the manifest; delete the folder and run again"
        )
    return Dataset(
        manifest["name"],
        tuple(manifest["classes"]),
        size,
        channels,
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
    )


def _labels(table: pa.Table, classes: int, multi_label: bool) -> Array:
    if not multi_label:
        return np.asarray(table["label"].to_numpy())
    found = np.zeros((len(table), classes), np.uint8)
    for row, labels in zip(found, table["labels"].to_pylist(), strict=True):
        row[labels] = 1
    return found


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


def explained_images(dataset: Dataset, count: int, seed: int, split: str = "test") -> Array:
    """Choose the images that are explained: class-stratified, keyed per image.

    Each class gets its share of the split (largest remainder, at least one image); inside a
    class every image has a keyed rank, so a larger count keeps what a smaller one chose as far as
    the shares allow. With several labels per image those without any are left out; every class gets
    an image if it has one, the rarest first, and the other images follow by rank.

    Args:
        dataset: the data set.
        count: how many.
        seed: the experiment's seed.
        split: whose images: test or val.

    Returns:
        Sorted image_ids (count,).

    Raises:
        FaithcamError: if the split has fewer images, or there are fewer of them than classes.
    """
    candidates = dataset.split(split)
    if dataset.multi_label:
        return _explained_findings(dataset, candidates, count, seed, split)
    labels = dataset.labels[candidates]
    present, sizes = np.unique(labels, return_counts=True)
    if not len(present) <= count <= len(candidates):
        raise FaithcamError(
            f"explained_images: {count} found, expected {len(present)} (the classes) to "
            f"{len(candidates)} (the {split} images) for data set {dataset.name}; set it in the "
            "config, or for this data set alone in "
            f"dataset_definitions.{dataset.name}.explained_images"
        )
    shares = count * sizes / len(candidates)
    quotas = np.maximum(np.floor(shares).astype(int), 1)
    while quotas.sum() < count:
        quotas[np.argmax(np.where(quotas < sizes, shares - quotas, -np.inf))] += 1
    while quotas.sum() > count:
        quotas[np.argmin(np.where(quotas > 1, shares - quotas, np.inf))] -= 1
    chosen = []
    for label, quota in zip(present.tolist(), quotas.tolist(), strict=True):
        members = candidates[labels == label].tolist()
        members.sort(key=lambda i: seeding.key(seed, dataset.name, i, "explained"))
        chosen += members[:quota]
    return np.array(sorted(chosen), dtype=np.int64)


def _explained_findings(
    dataset: Dataset, candidates: Array, count: int, seed: int, split: str
) -> Array:
    positive = [i for i in candidates.tolist() if dataset.labels[i].any()]
    positive.sort(key=lambda i: seeding.key(seed, dataset.name, i, "explained"))
    labels = dataset.labels[positive]
    chosen: list[int] = []
    for finding in np.argsort(labels.sum(0), kind="stable").tolist():
        members = [i for i, row in zip(positive, labels, strict=True) if row[finding]]
        if members and not set(members) & set(chosen):
            chosen.append(members[0])
    if not len(chosen) <= count <= len(positive):
        raise FaithcamError(
            f"explained_images: {count} found, expected {len(chosen)} (so that every class is "
            f"among them) to {len(positive)} (the {split} images with a finding) for data set "
            f"{dataset.name}; set it in the config, or for this data set alone in "
            f"dataset_definitions.{dataset.name}.explained_images"
        )
    chosen += [i for i in positive if i not in chosen][: count - len(chosen)]
    return np.array(sorted(chosen), dtype=np.int64)
