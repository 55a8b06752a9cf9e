"""Image files (PNG, JPEG, TIFF, BMP, DICOM) as 8-bit grey or colour, and masks.

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

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dcm", ".dicom",
    ".webp", ".gif", ".avif", ".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc",
    ".pgm", ".ppm", ".pbm", ".pnm",
}  # fmt: skip
# of images, too, but not read: they are refused by name
UNREAD = {
    ".heic", ".heif", ".jxl", ".jxr", ".psd", ".svg", ".dng", ".cr2", ".nef", ".arw",
    ".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".mnc", ".svs", ".ndpi", ".mrxs", ".scn", ".czi",
    ".lif", ".dcm.gz",
}  # fmt: skip

Array = np.ndarray[Any, Any]


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


def is_image(path: Path) -> bool:
    """Return whether a file is an image, by its name or content."""
    return path.suffix.lower() in SUFFIXES or _is_dicom(path)
