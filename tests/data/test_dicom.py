"""DICOM is shown as PS3.4 N.2 says, or refused by name."""

import zlib

import numpy as np
import pydicom
import pytest
from dicoms import dicom, table
from folders import RAMP
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless

from faithcam.data.sources import dicom as reader
from faithcam.data.sources import image_files
from faithcam.data.sources.levels import UnreadableError

pytestmark = pytest.mark.counts("cases")

CT = np.array([[0, 984, 1024], [1064, 1104, 3000]], np.int16)
STEPS = np.arange(-4, 8, dtype=np.int16).reshape(3, 4) * 100
PADDED = np.array([[65535, 65535, 800, 900], [1000, 1100, 1200, 1300]], np.uint16)
PLAIN = [0, 22, 46, 69, 92, 116, 139, 163, 186, 209, 233, 255]  # STEPS without a window
LINE = [int(255 * i / 799) for i in range(800)]


def read(path, values, *add, **elements):
    return np.asarray(image_files.read_image(dicom(path / "a.dcm", values, add, **elements)))


def shown(path, *arguments, **elements):
    return read(path, *arguments, **elements).ravel().tolist()


def refused(path, *messages):
    with pytest.raises(UnreadableError) as error:
        image_files.read_image(path)
    for message in messages:
        assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value)[-1] not in ": "


def test_it_is_rescaled_and_windowed(tmp_path):
    window = {
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": [0, 5],
        "WindowWidth": [81, 9],
    }
    # PS3.3 C.11.2.1.2: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255 for x = -40, 0, 40
    assert read(tmp_path, CT, **window).tolist() == [[0, 2, 129], [255, 255, 255]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR", np.clip((STEPS + 0.5) / 399 + 0.5, 0, 1)),
        ("LINEAR_EXACT", np.clip(STEPS / 400 + 0.5, 0, 1)),
        ("SIGMOID", 1 / (1 + np.exp(-4 * STEPS / 400))),
    ],
)
def test_windows(tmp_path, function, expected):
    elements = {"WindowCenter": 0, "WindowWidth": 400, "VOILUTFunction": function}
    assert np.array_equal(read(tmp_path, STEPS, **elements), np.rint(255 * expected))
    negative = {"RescaleSlope": -1, "RescaleIntercept": 0}
    assert np.array_equal(read(tmp_path, -STEPS, **elements, **negative), np.rint(255 * expected))
    item, group = Dataset(), Dataset()  # where images of several frames have them
    for name, value in elements.items():
        setattr(item, name, value)
    group.FrameVOILUTSequence = Sequence([item])
    grouped = read(tmp_path, STEPS, SharedFunctionalGroupsSequence=Sequence([group]))
    assert np.array_equal(grouped, np.rint(255 * expected))


@pytest.mark.parametrize(("centre", "width"), [(0, 0), (0, 0.5), ("", ""), (5, "")])
def test_a_window_that_is_none(tmp_path, centre, width):
    assert shown(tmp_path, STEPS, WindowCenter=centre, WindowWidth=width) == PLAIN
    elements = {"RescaleSlope": "", "RescaleIntercept": ""}
    assert shown(tmp_path, STEPS, **elements) == PLAIN


def test_a_linear_window_of_floats_is_exact(tmp_path):
    values = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    path = dicom(tmp_path / "a.dcm", values.view(np.int32), WindowCenter=0.5, WindowWidth=1)
    dataset = pydicom.dcmread(path)
    dataset.FloatPixelData = dataset.PixelData
    del dataset.PixelData
    dataset.save_as(path)
    actual = np.asarray(image_files.read_image(path))
    assert np.array_equal(actual, np.rint(255 * values))
    dataset.FloatPixelData = np.where(values > 0.5, np.nan, values).tobytes()
    dataset.save_as(path)
    refused(path, "NaN or infinite pixels")


@pytest.mark.parametrize(
    ("values", "lut", "expected"),
    [
        (STEPS, table(LINE, -400, 8, signed=True), [*LINE[400::100], *[255] * 4]),
        (STEPS, table(LINE, 65136, 8), [*LINE[400::100], *[255] * 4]),
        # pydicom alone would count entries of 8 bits modulo 256
        (
            np.arange(8, dtype=np.uint16).reshape(2, 4) * 500,
            table([v // 16 for v in range(4096)], 0, 8),
            [500 * i // 16 for i in range(8)],
        ),
        (
            np.arange(8, dtype=np.uint16).reshape(2, 4) * 500,
            table(list(range(4095, -1, -1)), 0, 12),
            [round((4095 - 500 * i) / 4095 * 255) for i in range(8)],
        ),
    ],
)
def test_a_voi_lut_goes_before_a_window(tmp_path, values, lut, expected):
    for window in ({}, {"WindowCenter": 3, "WindowWidth": 9}):
        assert shown(tmp_path, values, VOILUTSequence=lut, **window)[-8:] == expected


def test_a_modality_lut_of_any_bits(tmp_path):
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    squares = table([i * i for i in range(12)], 0, 12)
    window = {"WindowCenter": 60.5, "WindowWidth": 122, "VOILUTFunction": "LINEAR_EXACT"}
    actual = read(tmp_path, values, ModalityLUTSequence=squares, **window)
    assert np.array_equal(actual, np.rint(255 * (values.astype(float) ** 2 + 0.5) / 122))


def test_inversion_happens_once(tmp_path):
    assert shown(tmp_path, STEPS) == PLAIN
    assert shown(tmp_path, STEPS[::-1, ::-1], RescaleSlope=-1, RescaleIntercept=0) == PLAIN
    assert shown(tmp_path, STEPS, PresentationLUTShape="IDENTITY") == PLAIN
    inverse = [255 - v for v in PLAIN]
    assert shown(tmp_path, STEPS, PresentationLUTShape="INVERSE") == inverse
    for shape in ("", "INVERSE"):
        one = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": shape}
        assert shown(tmp_path, STEPS, **one) == inverse
    refused(dicom(tmp_path / "a.dcm", STEPS, PresentationLUTShape="LIN OD"), "LIN OD")


SIGNED = np.array([[-2000, -1995, 0, 100], [200, 300, 400, 500]], np.int16)
TISSUE = [0, 0, 0, 50, 102, 153, 205, 255]


@pytest.mark.parametrize(
    ("values", "add"),
    [
        (PADDED, [("PixelPaddingValue", "US", 65535)]),
        (SIGNED, [("PixelPaddingValue", "SS", -2000), ("PixelPaddingRangeLimit", "SS", -1990)]),
        (SIGNED, [("PixelPaddingValue", "US", 63546), ("PixelPaddingRangeLimit", "US", 63536)]),
    ],
)
def test_padding_is_black_and_counts_in_no_percentile(tmp_path, values, add):
    assert shown(tmp_path, values, *add) == TISSUE
    inverse = shown(tmp_path, values, *add, PhotometricInterpretation="MONOCHROME1")
    assert inverse == [0, 0, *(255 - v for v in TISSUE[2:])]
    window = {"WindowCenter": 100, "WindowWidth": 5000, "PresentationLUTShape": "INVERSE"}
    assert shown(tmp_path, values, *add, **window)[:2] == [0, 0]
    assert not any(shown(tmp_path, np.full((4, 4), values[0, 0]), *add))


def test_padding_in_unused_bits(tmp_path):
    add, bits = ("PixelPaddingValue", "US", 65535), {"BitsStored": 12, "HighBit": 11}
    assert shown(tmp_path, PADDED, add, **bits) == TISSUE


def test_up_to_8_bits_keep_their_levels(tmp_path):
    colour = np.dstack([RAMP, RAMP[::-1], RAMP.T])
    for values in (RAMP, colour):
        assert np.array_equal(read(tmp_path, values), values)
    assert np.array_equal(read(tmp_path, RAMP // 16, BitsStored=4, HighBit=3), RAMP // 16 * 17)
    wide = {"BitsStored": 8, "HighBit": 7}
    assert np.array_equal(read(tmp_path, colour.astype(np.uint16), **wide), colour)


def test_colour_of_16_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (8, 9, 3), dtype=np.uint16)
    low, high = np.percentile(values, (0.5, 99.5))
    expected = np.rint(255 * np.clip((values - low) / (high - low), 0, 1))
    assert np.array_equal(read(tmp_path, values), expected)


def palette(bits, first=0, entries=256):
    colours = [[(20 * i + k) % 256 for i in range(entries)] for k in range(3)]
    kind = "u1" if bits == 8 else "<u2"
    names = [f"{name}PaletteColorLookupTable" for name in ("Red", "Green", "Blue")]
    data = [(np.array(c) << bits - 8).astype(kind).tobytes() for c in colours]
    return [
        *((f"{name}Descriptor", "US", [entries, first, bits]) for name in names),
        *((f"{name}Data", "OW", d) for name, d in zip(names, data, strict=True)),
    ], np.array(colours).T


@pytest.mark.parametrize(("bits", "first"), [(8, 0), (16, 0), (8, 3), (16, 3)])
def test_palettes(tmp_path, bits, first):
    add, colours = palette(bits, first)
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    actual = read(tmp_path, values, *add, PhotometricInterpretation="PALETTE COLOR")
    assert np.array_equal(actual, colours[np.maximum(values.astype(int) - first, 0)])
    add, _ = palette(8, 0, 300)
    path = dicom(tmp_path / "a.dcm", values, add, PhotometricInterpretation="PALETTE COLOR")
    refused(path, "a palette of 300 colours of 8 bits")


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"NumberOfFrames": 4}, "4 frames in one file, expected 1"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation HSV of 1 samples"),
        ({"HighBit": 15, "BitsStored": 12}, "HighBit 15 with BitsStored 12, expected 11"),
        ({"Rows": None, "BitsAllocated": None}, "Rows, BitsAllocated missing"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "RescaleSlope 0"),
        ({"VOILUTFunction": "CUBIC", "WindowCenter": 1, "WindowWidth": 9}, "CUBIC"),
        ({"PixelData": None}, "not an image but DICOM without pixels (Secondary Capture Image"),
        ({"Rows": 5}, "damaged"),
        ({"Rows": 10000, "Columns": 10000}, "expected at most 67,108,864 pixels; make it smaller"),
        ({"PixelPresentation": "COLOR"}, "a supplemental palette"),
    ],
)
def test_refused_by_name(tmp_path, elements, message):
    refused(dicom(tmp_path / "a.dcm", STEPS, **elements), message)


def test_what_has_no_header_or_no_known_transfer_syntax(tmp_path):
    path = dicom(tmp_path / "a.dcm", STEPS)
    path.write_bytes(path.read_bytes()[132:])
    refused(path, "no DICOM header found, expected DICM after 128 bytes")
    path = dicom(tmp_path / "b.dcm", STEPS)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    refused(path, "1.2.840.10008.1.2.9 found, which cannot be decoded")


def test_decoders_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    for syntax in (JPEGLosslessSV1, JPEGLSLossless):
        path = dicom(tmp_path / "a.dcm", RAMP)
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
        dataset.save_as(path)
        refused(path, syntax.name, "needs a decoder: pip install -r requirements-dicom.txt")


@pytest.mark.parametrize("marker", [b"\xff\xc3", b"\xff\xf7", b"\xff\xc0"])
def test_the_encoded_size_is_the_one_of_the_header(marker):
    head = b"\xff\xd8\xff\xe0\x00\x04ab" + marker + b"\x00\x0b\x08\xff\xfe\x00\x07\x01\x01\x11\x00"
    assert reader._coded_size(head) == (0xFFFE, 7)
    sizes = (100).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes(3) + b"\x04" + bytes(4)
    assert reader._coded_size(b"\xff\x4f\xff\x51\0\x29\0\0" + sizes) == (9, 96)
    assert reader._coded_size(b"RLE\xff\x4f\xff\x51" + bytes(30)) is None


@pytest.mark.counts("attacks")
def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    values = np.zeros((400, 500), np.uint16)
    deflated = pydicom.uid.DeflatedExplicitVRLittleEndian
    path = dicom(tmp_path / "a.dcm", values, syntax=deflated)
    assert path.stat().st_size < 2000
    assert not np.asarray(image_files.read_image(path)).any()
    monkeypatch.setattr(reader, "INFLATED", 300_000)
    monkeypatch.setattr(zlib, "decompress", lambda *_: pytest.fail("unpacked"))
    refused(path, "deflated from more than 300,000 bytes")
