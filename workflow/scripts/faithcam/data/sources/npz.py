"""MedMNIST's images as they are in its npz files, and the user's masks of them."""

import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from faithcam.core.errors import DAMAGED, FaithcamError, reason
from faithcam.data import medmnist
from faithcam.data.dataset import SPLITS
from faithcam.data.store import Row, Source
from faithcam.results.checksums import checksum
from faithcam.results.files import discarded

CHUNK = 8 << 20  # bytes of images read at once

Array = np.ndarray[Any, Any]


def verify(flag: str, size: int, path: Path, records: Iterable[Path | str] = ()) -> None:
    """Check that the npz is there and whole; if not, set it aside and delete what says that it is.

    Args:
        flag: a key of ``medmnist.FLAGS``.
        size: one of ``medmnist.SIZES``.
        path: of the npz.
        records: of the download; without them its job runs again.

    Raises:
        FaithcamError: if the npz is missing or has another MD5.
    """
    digest = f"MD5 {checksum(path, 'md5')}" if path.is_file() else "no file"
    if digest != (expected := f"MD5 {medmnist.md5(flag, size)}"):
        raise discarded(path, digest, expected, records)


def source(definition: Mapping[str, Any], file: Path, masks: Path | None = None) -> Source:
    """Return a data set as it is in its npz.

    Args:
        definition: ``flag`` and ``size``.
        file: npz with {split}_images uint8 (n, H, W) or (n, H, W, 3), of volumes (n, S, H, W), and
            {split}_labels (n, 1), of multi-label sets (n, classes) in {0, 1}.
        masks: npz with any of {split}_masks (n, H, W) or (n, S, H, W), uint8 or bool, not 0 in a
            lesion; in the order of the images.

    Raises:
        FaithcamError: naming file and key; for the pixels, when the chunks are read.
    """
    medmnist.check(definition["flag"], definition["size"])
    spec, size = medmnist.FLAGS[definition["flag"]], definition["size"]
    read = _several_labels if spec.multi_label else _labels
    labels = {split: read(file, f"{split}_labels", len(spec.classes)) for split in SPLITS}
    for split, expected in zip(SPLITS, spec.images, strict=True):
        if (images := len(labels[split])) != expected:
            raise FaithcamError(
                f"{file}: {split}_labels holds {images} images, expected {expected}; put "
                "the published file in its place, or move it away and run again"
            )
    rows = [
        Row(split, label, f"{split}[{i}]", f"{split}[{i}]")
        for split in SPLITS
        for i, label in enumerate(labels[split])
    ]
    covered = _keys(masks) if masks else set()
    if masks and not covered & {f"{split}_masks" for split in SPLITS}:
        raise FaithcamError(
            f"{masks}: keys {sorted(covered)} found, expected train_masks, val_masks or test_masks"
        )
    side = (size,) * (3 if spec.volumes else 2)
    many = max(1, CHUNK // (math.prod(side) * spec.channels))

    def chunks() -> Iterator[tuple[Array, Array]]:
        for split in SPLITS:
            shape = (len(labels[split]), *side)
            colour = (*shape, 3) if spec.channels == 3 else shape
            images = _stream(file, f"{split}_images", colour, ("uint8",), many)
            pairs: Iterable[tuple[Array, Array]]
            if masks and f"{split}_masks" in covered:
                lesions = _stream(masks, f"{split}_masks", shape, ("uint8", "bool"), many)
                pairs = zip(images, lesions, strict=True)
            else:
                pairs = ((pixels, np.zeros((len(pixels), *side), np.uint8)) for pixels in images)
            for pixels, lesion in pairs:
                in_colour = pixels.reshape(len(pixels), *side, -1)
                yield in_colour, (lesion != 0).astype(np.uint8)

    return Source(
        spec.classes, size, spec.channels, rows, chunks(),
        slices=size if spec.volumes else 0, multi_label=spec.multi_label,
    )  # fmt: skip


def _keys(path: Path) -> set[str]:
    with _reading(path), zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what a broken npz raises into one clear error."""
    try:
        yield
    except DAMAGED as error:
        raise FaithcamError(
            f"{path}: cannot be read as npz without pickled objects ({reason(error)}); save it "
            "again with numpy.savez, or move it away and run the download again"
        ) from error


@contextmanager
def _member(path: Path, key: str) -> Iterator[IO[bytes]]:
    """Open one array of an npz without reading it."""
    if key not in (keys := _keys(path)):
        raise FaithcamError(f"{path}: key {key} expected, found {sorted(keys)}")
    with _reading(path), zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
        yield file


def _several_labels(path: Path, key: str, classes: int) -> list[tuple[int, ...]]:
    with _member(path, key) as file:
        labels = np.lib.format.read_array(file, allow_pickle=False)
    if labels.dtype.kind not in "iub" or labels.shape != (len(labels), classes):
        raise FaithcamError(
            f"{path}: {key} is {labels.dtype} {labels.shape}; expected whole numbers (n, {classes})"
        )
    if not len(labels) or not np.isin(labels, (0, 1)).all():
        values = np.unique(labels).tolist()
        raise FaithcamError(f"{path}: {key} holds {values}; expected 0 and 1")
    return [tuple(np.flatnonzero(row).tolist()) for row in labels]


def _labels(path: Path, key: str, classes: int) -> list[int]:
    with _member(path, key) as file:
        labels = np.lib.format.read_array(file, allow_pickle=False)
    kind = f"{labels.dtype} {labels.shape}"
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        kind += " with NaN"
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(labels),), (len(labels), 1)):
        raise FaithcamError(f"{path}: {key} is {kind}; expected whole numbers (n, 1) or (n,)")
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        values = np.unique(labels).tolist()
        raise FaithcamError(f"{path}: {key} holds {values}; expected 0 to {classes - 1}")
    return [int(label) for label in labels.ravel()]


def _stream(
    path: Path, key: str, shape: tuple[int, ...], kinds: tuple[str, ...], many: int
) -> Iterator[Array]:
    """Yield an array's rows, ``many`` at a time, straight out of the compressed file."""
    with _member(path, key) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            stored, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            stored, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        if (
            dtype.hasobject
            or stored != shape
            or dtype.name not in kinds
            or (fortran and len(shape) > 1)
        ):
            what = f"{dtype.name} {stored}" + ", column by column" * fortran
            if dtype.hasobject:
                what += ": pickled objects"
            elif dtype.kind == "f" and np.isnan(np.frombuffer(file.read(), dtype)).any():
                what += " with NaN"
            raise FaithcamError(
                f"{path}: {key} is {what}; expected {' or '.join(kinds)} {shape}, row by row"
            )
        length = math.prod(shape[1:])
        for start in range(0, shape[0], many):
            rows = min(many, shape[0] - start)
            content = file.read(rows * length)
            if len(content) != rows * length:
                raise FaithcamError(f"{path}: {key} ends after {start} of {shape[0]} rows")
            yield np.frombuffer(content, dtype).reshape(rows, *shape[1:])
        if file.read(1):
            raise FaithcamError(f"{path}: {key} is longer than its header says")
