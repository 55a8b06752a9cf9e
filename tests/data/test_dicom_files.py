"""Each of pydicom's own test files is read, against a short reference, or refused by name."""

from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array

from faithcam.data.sources import image_files
from faithcam.data.sources.levels import UnreadableError

pytestmark = pytest.mark.counts("cases")

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = {str(f.relative_to(FOLDER)): f for f in sorted(FOLDER.rglob("*")) if f.is_file()}
FILES = {n: f for n, f in FILES.items() if f.suffix == ".dcm" or image_files.is_image(f)}
HEADER, EMPTY = "no DICOM header found", "not an image but DICOM without pixels ({})"
REFUSED = {
    "*_2frame.dcm": "2 frames in one file, expected 1",
    "*DICOMDIR*": "not an image but a DICOMDIR, which lists other files",
    "*/TINY_ALPHA/PT*": EMPTY.format("CT Image Storage"),
    "ExplVR_*EndNoMeta.dcm": HEADER,
    "JPEG-lossy.dcm": "JPEG Extended (Process 2 and 4) found",
    "JPEG2000-embedded-sequence-delimiter.dcm": "rows and columns are encoded, but the header says",
    "JPGExtended.dcm": "pip install pylibjpeg pylibjpeg-libjpeg",
    "MR_truncated.dcm": "damaged (ValueError: The number of bytes of pixel data is less",
    "UN_sequence.dcm": EMPTY.format("CT Image Storage"),
    "badVR.dcm": "damaged (ValueError: invalid literal for int",
    "empty_charset_LEI.dcm": EMPTY.format("unknown kind"),
    "examples_ybr_color.dcm": "30 frames in one file",
    "meta_missing_tsyntax.dcm": "PhotometricInterpretation, BitsAllocated missing",
    "nested_priv_SQ.dcm": "PhotometricInterpretation, BitsAllocated missing",
    "no_meta.dcm": HEADER,
    "no_meta_group_length.dcm": EMPTY.format("RT Image Storage"),
    "priv_SQ.dcm": EMPTY.format("MR Image Storage"),
    "reportsi*.dcm": EMPTY.format("Basic Text SR Storage"),
    "rtdose.dcm": "15 frames in one file",
    "rtdose_expb.dcm": "15 frames in one file",
    "rtdose_rle.dcm": "15 frames in one file",
    "rtplan*.dcm": EMPTY.format("RT Plan Storage"),
    "rtstruct.dcm": HEADER,
    "test-SR.dcm": EMPTY.format("Comprehensive SR Storage"),
    "waveform_ecg.dcm": EMPTY.format("12-lead ECG Waveform Storage"),
}
EXTRA = (  # read with requirements-dicom.txt
    *("GDCMJ2K_TextGBR.dcm", "JPEGLSNearLossless_*.dcm", "MR_small_jpeg_ls_lossless.dcm"),
    *("SC_rgb_jls_lossy_*.dcm", "SC_rgb_jpeg_gdcm.dcm"),
)
SAME = [
    ("MR_small.dcm", "MR_small_*.dcm", 0),
    ("liver_1frame.dcm", "liver_*1frame.dcm", 0),
    ("rtdose_1frame.dcm", "rtdose_*1frame.dcm", 0),
    ("SC_rgb_small_odd.dcm", "SC_rgb_small_odd*.dcm", 4),
    ("SC_rgb_rle.dcm", "SC_rgb_dcmtk_*.dcm", 4),
    ("SC_rgb_rle.dcm", "SC_rgb_rle_*bit.dcm", 0),
    ("SC_rgb_rle.dcm", "SC_rgb_gdcm_KY.dcm", 1),
]


def read(name):
    return np.asarray(image_files.read_image(FILES[name]))


def matches(name, patterns):
    return any(fnmatch(name, pattern) for pattern in patterns)


def is_readable(name):
    if not matches(name, EXTRA):
        return not matches(name, REFUSED)
    return "gdcm" in get_decoder(pydicom.uid.JPEGLSLossless).available_plugins


def reference(dataset):
    """The display pipeline for what these files have: no LUTs, no padding, linear windows."""
    stored, kind = pixel_array(dataset), dataset.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        return apply_color_lut(stored, dataset) >> 8
    if stored.ndim == 3:
        return stored if stored.dtype == np.uint8 else 255 * (stored / stored.max())
    values = stored.astype(float) * float(dataset.get("RescaleSlope", 1))
    values = values + float(dataset.get("RescaleIntercept", 0))
    if "WindowWidth" in dataset:
        first = [np.atleast_1d(dataset[f"Window{n}"].value)[0] for n in ("Center", "Width")]
        low = first[0] - 0.5 - (first[1] - 1) / 2
        high = low + first[1] - 1
    elif dataset.BitsStored == 8:
        low, high = 0, 255
    else:
        low, high = np.percentile(values, (0.5, 99.5))
    grey = 255 * np.clip((values - low) / (high - low), 0, 1)
    return 255 - grey if kind == "MONOCHROME1" else grey


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_each_file(name):
    if is_readable(name):
        actual, expected = read(name), reference(pydicom.dcmread(FILES[name]))
        assert actual.shape == expected.shape
        assert np.abs(actual - expected).max() <= 1
        return
    messages = [text for pattern, text in REFUSED.items() if fnmatch(name, pattern)]
    with pytest.raises(UnreadableError) as error:
        read(name)
    assert "\n" not in str(error.value)
    assert (messages or ["pip install -r requirements-dicom.txt"])[0] in str(error.value)


@pytest.mark.parametrize(("name", "pattern", "tolerance"), SAME)
@pytest.mark.filterwarnings("ignore")
def test_the_same_picture_in_other_encodings(name, pattern, tolerance):
    others = [n for n in FILES if fnmatch(n, pattern) and is_readable(n)]
    assert others
    for other in others:
        apart = np.abs(read(other).astype(int) - read(name))
        # lossy ones have coarser colours, which shows at edges
        assert np.quantile(apart, 0.9 if tolerance else 1) <= tolerance, other
