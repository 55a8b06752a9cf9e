"""A user's own images: class folders, or a CSV.

Rules, the same for every image:
- Size: the whole image is stretched to size x size with Pillow's antialiased bilinear filter;
  nothing is cropped and nothing padded (a border would be regions without content).
- More than 8 bits, or floats: the image's 0.5th percentile becomes 0 and its 99.5th 255.
- DICOM: modality rescale, then the first window, or the rule above without one; MONOCHROME1 is
  inverted, so that bright means dense or signal everywhere.
- Colour becomes grey by Rec. 601 luma, grey becomes three equal channels; transparency is dropped.
- A mask is lesion where it is not 0 (JPEG: above 127), is resized like its image and cut at one
  half; a lesion that would vanish keeps its most covered pixels.
"""

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
from PIL import Image, ImageOps

from faithcam.core.errors import FaithcamError
from faithcam.data.collection import shares
from faithcam.data.items import Item, divided, listed
from faithcam.data.store import SPLITS, Row, Source

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
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
        found = Counter(item.split for item in _items(name, definition, seed))
    return {split: found[split] for split in SPLITS}


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
        images = sorted(f for f in files if not f.name.startswith(".") and _is_image(f))
        ignored += len(files) - len(images)
        masks: dict[Path, list[Path]] = defaultdict(list)
        for file in images:
            if found := re.fullmatch(r"(.+)_mask(_\d+)?", file.stem):
                masks[file.with_name(found[1])].append(file)
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


def read_image(path: Path) -> Image.Image:
    """Read an image file as 8-bit grey or colour, by the rules at the top of this file.

    Raises:
        ValueError, OSError: if it is broken, empty, or more than one image.
    """
    if path.stat().st_size == 0:
        raise ValueError("0 bytes")
    if _is_dicom(path) or path.suffix.lower() in (".dcm", ".dicom"):
        return Image.fromarray(_dicom(path))
    with Image.open(path) as image:
        if image.format == "TIFF" and (pages := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"{pages} images in one file, expected 1")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):
            return Image.fromarray(_to_bytes(np.asarray(upright, dtype=np.float64)))
        return upright.convert("L" if upright.mode in ("1", "L", "LA", "La") else "RGB")


def read_mask(path: Path, image_size: tuple[int, int], size: int) -> Array:
    """Read a mask as (size, size) uint8 in {0, 1}.

    Args:
        path: of the mask.
        image_size: columns and rows of its image, which the mask must have too.
        size: rows = columns in pixels, of the result.

    Raises:
        ValueError, OSError: if it is broken or has another size.
    """
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.size != image_size:
            raise ValueError(
                f"mask of {upright.size} px, its image has {image_size} (width, height)"
            )
        grey = upright if upright.mode.startswith(("I", "F")) else upright.convert("L")
        lesion = np.asarray(grey) > (127 if image.format == "JPEG" else 0)
    small = Image.fromarray((255 * lesion).astype(np.uint8)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    share = np.asarray(small)
    most = int(share.max())
    return (share >= (128 if most >= 128 else max(most, 1))).astype(np.uint8)


def _dicom(path: Path) -> Array:
    import pydicom
    from pydicom.pixels import apply_modality_lut, pixel_array

    dataset = pydicom.dcmread(path)
    if (frames := int(dataset.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"{frames} frames in one file, expected 1")
    kind = dataset.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        raise ValueError("palette colour is not supported; export it as PNG")
    pixels = pixel_array(dataset)
    if pixels.ndim == 3:
        wide = pixels.dtype != np.uint8
        return _to_bytes(pixels.astype(np.float64)) if wide else np.asarray(pixels)
    values = np.asarray(apply_modality_lut(pixels, dataset), dtype=np.float64)
    width, centre = _first(dataset, "WindowWidth"), _first(dataset, "WindowCenter")
    if width and centre is not None:
        # the linear window of the DICOM standard, PS3.3 C.11.2.1.2
        exact = dataset.get("VOILUTFunction") == "LINEAR_EXACT"
        middle, span = (centre, width) if exact else (centre - 0.5, max(width - 1, 1e-3))
        grey = np.rint(255 * np.clip((values - middle) / span + 0.5, 0, 1)).astype(np.uint8)
    elif dataset.BitsStored == 8 and values.min() >= 0 and values.max() <= 255:
        grey = np.rint(values).astype(np.uint8)
    else:
        grey = _to_bytes(values)
    return np.asarray(255 - grey if kind == "MONOCHROME1" else grey)


def _first(dataset: Any, keyword: str) -> float | None:
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float) else value[0])


def _to_bytes(values: Array) -> Array:
    """Scale an image linearly: its 0.5th percentile becomes 0, its 99.5th 255."""
    if not np.isfinite(values).all():
        raise ValueError("NaN or infinite pixels")
    low, high = np.percentile(values, (0.5, 99.5))
    if high <= low:
        low, high = values.min(), max(values.max(), values.min() + 1)
    scaled = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(np.rint(255 * scaled), dtype=np.uint8)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or _is_dicom(path)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
