"""One DICOM image as a viewer shows it, in 8 bits (PS3.4 N.2).

- Modality LUT or rescale; then the VOI LUT, else the first window (linear, exact or sigmoid), else
  all levels of up to 8 bits, else the percentiles of :mod:`~.levels`. A window that the standard
  does not allow (a width below 1, or 0) is none.
- MONOCHROME1, or Presentation LUT Shape INVERSE, is inverted; palettes and YBR become RGB.
- Pixel padding counts in no percentile, and becomes black.
- Overlays, shutters, colour profiles and presentation states are not applied.

Several frames, reports, directories and what no decoder reads are refused by name.
"""

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np

from faithcam.data.sources.levels import (
    LIMIT,
    UnreadableError,
    ends,
    in_rows,
    require_finite,
    scaled,
    to_bytes,
    within_limit,
)

Array = np.ndarray[Any, Any]
Elements = Any  # a pydicom Dataset

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
NEEDED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
EXPORT = "; export it as PNG, or as DICOM in Explicit VR Little Endian"
INFLATED = 3 * LIMIT  # bytes of a deflated file


def is_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM does."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path) -> Array:
    """Read a DICOM image as rows x columns (grey) or rows x columns x 3 (RGB), uint8.

    Raises:
        UnreadableError: if it is no image, has several frames, or cannot be read; says which.
    """
    if not is_dicom(path):
        raise UnreadableError(f"no DICOM header found, expected DICM after 128 bytes{EXPORT}")
    dataset = _read(path)
    _refuse(dataset)
    stored, kind = _decoded(dataset), dataset.PhotometricInterpretation
    samples = stored.shape[2] if stored.ndim == 3 else 1
    if kind == "PALETTE COLOR" and samples == 1:
        return _coloured(stored, dataset)
    if kind in COLOUR and samples == 3:
        return stored.astype(np.uint8) if dataset.BitsStored <= 8 else to_bytes(stored)
    if kind in GREY and samples == 1:
        return _grey(stored, dataset)
    raise UnreadableError(f"PhotometricInterpretation {kind} of {samples} samples{EXPORT}")


def _read(path: Path) -> Elements:
    import pydicom
    from pydicom.filereader import read_dataset, read_preamble

    with path.open("rb") as file:
        read_preamble(file, force=False)
        meta = read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != 2)
        if meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian:
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            if len(unpacker.decompress(file.read(), INFLATED)) == INFLATED:
                raise UnreadableError(f"deflated from more than {INFLATED:,} bytes{EXPORT}")
    dataset = pydicom.dcmread(path)
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (dataset.get(groups) or [])[:1]:
            for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                for item in group.get(name) or []:
                    dataset.update(item)
    for element in ("RescaleSlope", "RescaleIntercept"):
        if dataset.get(element) in (None, ""):
            dataset.pop(element, None)
    return dataset


def _refuse(dataset: Elements) -> None:
    """Raise UnreadableError for what is no single image within the limit."""
    if not any(name in dataset for name in PIXELS):
        kind = getattr(dataset.file_meta.get("MediaStorageSOPClassUID"), "name", "unknown kind")
        kind = f"DICOM without pixels ({kind})"
        if "DirectoryRecordSequence" in dataset:
            kind = "a DICOMDIR, which lists other files"
        raise UnreadableError(f"not an image but {kind}; keep it outside of the folder of images")
    if missing := [name for name in NEEDED if dataset.get(name) in (None, "")]:
        raise UnreadableError(
            f"{', '.join(missing)} missing, which every DICOM image has; export anew"
        )
    if (frames := int(dataset.get("NumberOfFrames") or 1)) > 1:
        raise UnreadableError(f"{frames} frames in one file, expected 1; export each as a file")
    within_limit(dataset.Columns, dataset.Rows)
    if dataset.get("RescaleSlope") == 0:
        raise UnreadableError("RescaleSlope 0 found, expected another number; export anew")
    if dataset.get("PixelPresentation") in ("COLOR", "MIXED"):
        raise UnreadableError(f"a supplemental palette is not supported{EXPORT}")
    bits, high = dataset.get("BitsStored"), dataset.get("HighBit")
    if "PixelData" in dataset and bits and high is not None and high != bits - 1:
        raise UnreadableError(f"HighBit {high} with BitsStored {bits}, expected {bits - 1}{EXPORT}")


def _decoded(dataset: Elements) -> Array:
    """Return the stored values; YBR_FULL has become RGB."""
    from pydicom.encaps import get_frame
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.uid import JPEGExtended12Bit

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    name = syntax.name if syntax else "no transfer syntax"
    try:
        decoder = get_decoder(syntax)
    except (NotImplementedError, AttributeError):
        raise UnreadableError(f"{name} found, which cannot be decoded{EXPORT}") from None
    install = "pip install -r requirements-dicom.txt (the extra [dicom])"
    if syntax == JPEGExtended12Bit:
        install = "pip install pylibjpeg pylibjpeg-libjpeg (its licence is the GPL)"
    if not decoder.is_available:
        raise UnreadableError(f"{name} found, which needs a decoder: {install}")
    if syntax.is_encapsulated:
        size = _coded_size(get_frame(dataset.PixelData, 0, number_of_frames=1))
        if size not in (None, (dataset.Rows, dataset.Columns)):
            raise UnreadableError(
                f"{size} rows and columns are encoded, but the header says "
                f"{(dataset.Rows, dataset.Columns)}; export anew"
            )
    # Pillow first: further decoders must not change the bytes of what it reads
    order = ["pillow"] if "pillow" in decoder.available_plugins else []
    for plugin in [*order, ""]:
        try:
            return np.asarray(pixel_array(dataset, decoding_plugin=plugin))
        except RuntimeError as error:  # of decoders: a headline, then a line for each
            said = " ".join(str(error).split()).partition("plugins: ")[2] or str(error)
    if decoder.missing_dependencies:
        said += f"; other decoders may read it: {install}"
    raise UnreadableError(f"{name} found, which cannot be decoded ({said}){EXPORT}")


def _coded_size(frame: bytes) -> tuple[int, int] | None:
    """Return the rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream, else None."""
    is_2000 = frame[:2] == b"\xff\x4f" or frame[4:8] == b"jP  "
    if is_2000 and (at := frame.find(b"\xff\x4f\xff\x51")) >= 0:
        right, bottom, left, top = unpack_from(">4I", frame, at + 8)
        return bottom - top, right - left
    at = 2
    while frame[:2] == b"\xff\xd8" and at + 9 < len(frame):
        marker, length = unpack_from(">HH", frame, at)
        if marker == 0xFFF7 or (0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8)):
            rows, columns = unpack_from(">HH", frame, at + 5)
            return rows, columns
        at += 1 if marker == 0xFFFF else length + 2
    return None


def _coloured(stored: Array, dataset: Elements) -> Array:
    from pydicom.pixels import apply_color_lut

    names = [f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")]
    entries, first, _ = descriptor = list(dataset[names[0]].value)
    if any(list(dataset[name].value)[:2] != descriptor[:2] for name in names[1:]):
        raise UnreadableError(f"palettes of several lengths are not supported{EXPORT}")
    entries = entries or 2**16
    table = apply_color_lut(np.arange(first, first + entries), dataset)[:, :3]
    if table.dtype == np.uint8 and entries > 256:  # pydicom would count them modulo 256
        raise UnreadableError(f"a palette of {entries} colours of 8 bits is not supported{EXPORT}")
    table = table >> 8 if table.max() > 255 else table
    index = np.clip(stored.astype(np.int64) - first, 0, entries - 1)
    return np.asarray(table.astype(np.uint8)[index])


def _grey(stored: Array, dataset: Elements) -> Array:
    from pydicom.pixels import apply_modality_lut

    shape = dataset.get("PresentationLUTShape") or "IDENTITY"
    if "PresentationLUTSequence" in dataset or shape not in ("IDENTITY", "INVERSE"):
        raise UnreadableError(f"Presentation LUT ({shape}): expected IDENTITY or INVERSE{EXPORT}")
    require_finite(stored)
    padding = _padding(stored, dataset)
    values = stored
    if dataset.get("ModalityLUTSequence"):
        item = dataset.ModalityLUTSequence[0]
        # pydicom takes tables of 8 and 16 bits alone, and reads both alike
        item.LUTDescriptor = [item.LUTDescriptor[0], _first(item, stored.max()), 16]
        values = apply_modality_lut(stored.astype(np.int64), dataset)
        for name in ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"):
            dataset.pop(name, None)

    def rescaled(numbers: Array) -> Array:
        return np.asarray(apply_modality_lut(numbers, dataset), np.float64)

    lowest, highest = np.sort(rescaled(np.array([values.min(), values.max()])))
    full = 2 ** (dataset.get("BitsStored") or dataset.BitsAllocated) - 1
    view = _of_interest(dataset, highest)
    if view is None:
        low, high = 0.0, float(full)
        if full > 255 or lowest < 0 or highest > full:
            counted = values[~padding] if not padding.all() else values
            low, high = np.sort(rescaled(np.array(ends(counted))))
        view = partial(scaled, low=low, high=high)
    grey = in_rows(values, lambda rows: view(rescaled(rows)))
    if dataset.PhotometricInterpretation == "MONOCHROME1" or shape == "INVERSE":
        grey = 255 - grey
    grey[padding] = 0
    return grey


def _first(item: Elements, highest: float) -> int:
    """Return the value of a table's first entry; negative ones may be written as unsigned."""
    first = int(item.LUTDescriptor[1])
    return first - 2**16 if first >= 2**15 and highest < first else first


def _padding(stored: Array, dataset: Elements) -> Array:
    """Return where ``stored`` is padding: PixelPaddingValue, up to PixelPaddingRangeLimit."""
    named = {"f": ("FloatPixelPadding", "DoubleFloatPixelPadding")}
    for name in named.get(stored.dtype.kind, ("PixelPadding",)):
        if (value := dataset.get(f"{name}Value")) not in (None, ""):
            end = dataset.get(f"{name}RangeLimit")
            both = np.array([value, value if end in (None, "") else end]).astype(stored.dtype)
            if stored.dtype.kind != "f":  # written with another sign, or unused bits, than pixels
                unused = 8 * stored.itemsize - dataset.BitsStored
                both = both << unused >> unused
            low, high = np.sort(both)
            return np.asarray((stored >= low) & (stored <= high))
    return np.zeros(stored.shape, bool)


def _of_interest(dataset: Elements, highest: float) -> Callable[[Array], Array] | None:
    """Return what makes bytes of rescaled values: a VOI LUT or the first window; None without.

    Args:
        dataset: has both.
        highest: of the rescaled values.
    """
    from pydicom.dataset import Dataset
    from pydicom.pixels import apply_voi_lut

    view = Dataset()  # of 8 bits, so that windows end at 0 and 255
    view.PhotometricInterpretation, view.PixelRepresentation, view.BitsStored = GREY[1], 0, 8
    if dataset.get("VOILUTSequence"):
        item = dataset.VOILUTSequence[0]
        entries, _, bits = item.LUTDescriptor
        entries, first = entries or 2**16, _first(item, highest)
        # pydicom counts entries in the bits that they have: give it 16, and numbers of entries
        item.LUTDescriptor = [entries % 2**16, 0, 16]
        view.VOILUTSequence, view.file_meta = [item], dataset.file_meta

        def looked_up(rows: Array) -> Array:
            index = np.clip(np.rint(rows) - first, 0, entries - 1).astype(np.int64)
            return scaled(apply_voi_lut(index, view), 0, 2**bits - 1)

        return looked_up
    integers = "PixelData" in dataset
    for name in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        if dataset.get(name) not in (None, ""):
            view[name] = dataset[name]
    if not integers and view.get("VOILUTFunction", "LINEAR") == "LINEAR":
        view.VOILUTFunction = "LINEAR_EXACT"  # LINEAR counts integers
    width = view.get("WindowWidth", 0)
    width = width if isinstance(width, int | float) else width[0]
    least = 1 if view.get("VOILUTFunction", "LINEAR") == "LINEAR" else np.finfo(float).tiny
    if width < least or "WindowCenter" not in view:
        return None

    def windowed(rows: Array) -> Array:
        with np.errstate(over="ignore"):  # far below a sigmoid
            return np.asarray(np.rint(apply_voi_lut(rows, view)), np.uint8)

    return windowed
