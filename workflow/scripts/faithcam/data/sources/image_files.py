"""Image files (see ``SUFFIXES``) as 8-bit grey or colour, and masks.

Rules, the same for every image:
- Size: the whole image is stretched to size x size with Pillow's antialiased bilinear filter;
  nothing is cropped and nothing padded (a border would be regions without content).
- More than 8 bits, or floats: the image's 0.5th percentile becomes 0 and its 99.5th 255.
  The channels of colour have the percentiles of all in common.
- DICOM is shown as :mod:`~.dicom` says, so that bright means dense or signal everywhere; the other
  formats are read by :mod:`~.raster`.
- Colour becomes grey by Rec. 601 luma, grey becomes three equal channels; transparency is dropped.
- One image per file: animations, several pages and several frames are refused.
- A mask is lesion where it is not 0 (above 127 in the lossy JPEG, JPEG 2000 and WebP), is resized
  like its image and cut at one half; a lesion that would vanish keeps its most covered pixels.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faithcam.data.sources.dicom import is_dicom, read_dicom
from faithcam.data.sources.levels import UnreadableError, require_finite, to_bytes
from faithcam.data.sources.raster import read_raster

SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".gif",
    ".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc", ".dcm", ".dicom",
}  # fmt: skip
# of images, too, but not read: they are refused by name
UNREAD = {
    ".avif", ".heic", ".heif", ".jxl", ".jxr", ".psd", ".svg", ".dng", ".cr2", ".nef", ".arw",
    ".pgm", ".ppm", ".pbm", ".pnm", ".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".mnc",
    ".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".lif", ".dcm.gz",
}  # fmt: skip

Array = np.ndarray[Any, Any]


def read_image(path: Path) -> Image.Image:
    """Read an image file as 8-bit grey or colour, by the rules at the top of this file.

    Raises:
        UnreadableError: if it is broken, empty, too large, no image or more than one; says which.
        OSError: if the file cannot be read.
    """
    pixels, _ = _pixels(path)
    return Image.fromarray(pixels if pixels.dtype == np.uint8 else to_bytes(pixels))


def _pixels(path: Path) -> tuple[Array, str]:
    if path.stat().st_size == 0:
        raise UnreadableError("0 bytes found, expected an image; copy it anew")
    try:
        if is_dicom(path) or path.suffix.lower() in (".dcm", ".dicom"):
            return read_dicom(path), "DICOM"
        return read_raster(path)
    except UnreadableError:
        raise
    except Exception as error:  # decoders fail in many ways, some without a word
        if isinstance(error, OSError) and error.errno:  # of the file, not of what it holds
            raise
        said = str(error).partition("\n")[0]
        raise UnreadableError(f"damaged ({type(error).__name__}: {said})") from error


def read_mask(path: Path, image_size: tuple[int, int], size: int) -> Array:
    """Read a mask as (size, size) uint8 in {0, 1}.

    Args:
        path: of the mask.
        image_size: columns and rows of its image, which the mask must have too.
        size: rows = columns in pixels, of the result.

    Raises:
        UnreadableError, OSError: if it is broken or has another size.
    """
    pixels, kind = _pixels(path)
    require_finite(pixels)
    if pixels.shape[1::-1] != image_size:
        raise UnreadableError(
            f"mask of {pixels.shape[1::-1]} px, its image has {image_size} (width, height)"
        )
    lossy = kind in ("JPEG", "MPO", "JPEG2000", "WEBP")
    lesion = np.atleast_3d(pixels > (127 if lossy else 0)).any(axis=2)
    if lossy and pixels.any() and not lesion.any():
        raise UnreadableError(
            f"mask of {kind}, which is lossy: {pixels.max()} at most found, expected above 127 in "
            "the lesion; save it as PNG"
        )
    small = Image.fromarray((255 * lesion).astype(np.uint8)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    share = np.asarray(small)
    most = int(share.max())
    return (share >= (128 if most >= 128 else max(most, 1))).astype(np.uint8)


def is_image(path: Path) -> bool:
    """Return whether a file is an image, by its name or content."""
    return path.suffix.lower() in SUFFIXES or is_dicom(path)
