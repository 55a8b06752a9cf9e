"""Pixels of PNG, JPEG, TIFF, BMP, WebP, GIF and JPEG 2000 files, upright and at their full depth.

Pillow reads up to 8 bits per channel and OpenCV what has more: Pillow cuts colour to 8 bits, leaves
WhiteIsZero as it is and takes some big-endian numbers for little-endian ones. Transparency is
dropped, colour profiles are ignored, and of a camera's JPEG with several pictures (MPO) the first
is taken.
"""

from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from faithcam.data.sources.levels import UnreadableError, within_limit

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP")
EXPORT = "; save it as PNG or TIFF of 8 or 16 bits, grey or RGB"
# SampleFormat (1 unsigned, 2 signed, 3 float) and bits of the TIFF files that OpenCV reads
DEEP = {(1, 12), (1, 16), (1, 32), (2, 16), (2, 32), (3, 32), (3, 64)}
COLUMNS, ROWS, TILE_COLUMNS, TILE_ROWS = 256, 257, 322, 323
BITS, SAMPLE_FORMAT, SAMPLES, PHOTOMETRIC, PLANAR, COLOURS = 258, 339, 277, 262, 284, 320
SIZES = (COLUMNS, ROWS, TILE_COLUMNS, TILE_ROWS)
TAGS = (*SIZES, BITS, SAMPLE_FORMAT, SAMPLES, PHOTOMETRIC, PLANAR, COLOURS)

Array = np.ndarray[Any, Any]

# libtiff reads subsampled YCbCr, separate planes and turned rows, at which Pillow's own code fails
TiffImagePlugin.READ_LIBTIFF = True


def read_raster(path: Path) -> tuple[Array, str]:
    """Read the pixels of an image file, not DICOM.

    Returns:
        rows x columns (grey) or rows x columns x 3 (RGB): uint8, or with more bits the numbers
        that are stored; and Pillow's name of the format.

    Raises:
        UnreadableError: if it is broken, too large, no known format, or several images; besides
            those, whatever decoders raise.
    """
    data = path.read_bytes()
    if data[:4] in TiffImagePlugin.PREFIXES:
        tags, pages = _tiff(data)
        _one(pages)
        if (deep := _deep_tiff(data, tags)) is not None:
            return deep, "TIFF"
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        known = "damaged, or of a kind that is not read (read are PNG, JPEG, TIFF, BMP, WebP, GIF"
        raise UnreadableError(f"{known}, JPEG 2000 and DICOM){EXPORT}") from None
    except Image.DecompressionBombError as error:  # beyond Pillow's limit, some 3 times ours
        raise UnreadableError(f"{str(error).rstrip('.')}; make it smaller") from None
    with image:
        within_limit(*image.size)
        _one(1 if image.format == "MPO" else getattr(image, "n_frames", 1))
        image.load()
        with suppress(Exception):  # damaged EXIF data say nothing of the pixels: they are as stored
            ImageOps.exif_transpose(image, in_place=True)
        narrow, kind = _array(image), image.format or ""
    if kind == "PNG" and data[25] == 4 and narrow.ndim == 3:
        narrow = narrow[..., 0]  # grey with transparency, of which Pillow makes RGBA
    depth = _depth(data, kind) if narrow.dtype == np.uint8 else 8
    if depth == 8:
        return narrow, kind
    deep = _opencv(data)
    deep = deep[..., 0] if narrow.ndim < deep.ndim else deep
    # Pillow's upper 8 bits; it rounds those of JPEG 2000, beyond 255 to 0
    same = narrow.shape == deep.shape
    for one, other in zip(deep, narrow, strict=True) if same else ():
        same &= bool(((one >> (depth - 8)).astype(np.uint8) - other + np.uint8(1) <= 2).all())
    if not same:
        raise UnreadableError(f"two decoders disagree about {depth} bits per channel{EXPORT}")
    return deep, kind


def _one(images: int) -> None:
    if images > 1:
        raise UnreadableError(
            f"{images} images in one file, expected 1; save each as a file of its own"
        )


def _array(image: Image.Image) -> Array:
    if image.mode.startswith(("I", "F")):
        return np.asarray(image)
    if image.mode == "LAB":
        raise UnreadableError(f"CIELAB is not read{EXPORT}")
    image = image.convert("LA") if image.mode == "La" else image
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _depth(data: bytes, kind: str) -> int:
    """Return the bits per channel of a colour image, or grey with transparency."""
    if kind == "PNG":
        return max(8, data[24])
    if kind == "JPEG2000":
        from pydicom.pixels.utils import get_j2k_parameters

        return max(8, int(get_j2k_parameters(data).get("precision", 8)))
    return 8


def _opencv(data: bytes) -> Array:
    """Decode without transparency, upright, as rows x columns or rows x columns x 3 (RGB)."""
    import cv2

    with suppress(cv2.error):
        pixels = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
        )
        if pixels is not None:
            return np.asarray(pixels if pixels.ndim == 2 else pixels[..., ::-1])
    raise UnreadableError(
        "more than 8 bits per channel, damaged or packed in a way that OpenCV cannot read" + EXPORT
    )


def _tiff(data: bytes) -> tuple[dict[int, Any], int]:
    """Return the tags in ``TAGS`` of the first image of a TIFF file, and how many images it has."""
    if data[:4] == b"MM\0+":
        raise UnreadableError(f"big-endian BigTIFF, which is not read{EXPORT}")
    directory = ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
    tags: dict[int, Any] = {}
    file, offsets = BytesIO(data), set[int]()
    while directory.next and directory.next not in offsets:
        offsets.add(directory.next)
        file.seek(directory.next)
        directory.load(file)
        tags = tags or {tag: directory[tag] for tag in TAGS if tag in directory}
    return tags, len(offsets)


def _deep_tiff(data: bytes, tags: Mapping[int, Any]) -> Array | None:
    """Return the pixels of a TIFF file of more than 8 bits, or of signed numbers; else None."""
    within_limit(tags[COLUMNS], tags[ROWS])
    within_limit(tags.get(TILE_COLUMNS, 1), tags.get(TILE_ROWS, 1))
    bits, formats = set(tags.get(BITS, (1,))), set(tags.get(SAMPLE_FORMAT, (1,)))
    samples, photometric, planar = tags.get(SAMPLES, 1), tags.get(PHOTOMETRIC), tags.get(PLANAR, 1)
    narrow = formats == {1} and max(bits) <= 8
    if narrow:  # Pillow reads these, but would guess a missing tag and leave channels out
        known = photometric is not None and (samples <= 2 or photometric not in (0, 1, 3))
        # colours are of 16 bits; some writers have 8
        known &= photometric != 3 or not 0 < max(tags[COLOURS]) < 256
    else:
        number = (*formats, *bits)
        known = number in DEEP and (photometric, samples) in ((0, 1), (1, 1), (2, 3), (2, 4))
        known &= planar == 1 or samples == 1
    if not known:
        raise UnreadableError(
            f"TIFF of {sorted(bits)} bits, SampleFormat {sorted(formats)}, {samples} samples per "
            f"pixel, PhotometricInterpretation {photometric}, PlanarConfiguration {planar}, which "
            f"is not read{EXPORT}"
        )
    if narrow:
        return None
    pixels = _opencv(data)
    if photometric == 0:  # WhiteIsZero
        return np.asarray(-pixels if pixels.dtype.kind == "f" else ~pixels)
    return pixels
