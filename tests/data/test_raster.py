"""Pixels of image files are those that a viewer shows, or the file is refused by name."""

import struct
import zlib
from itertools import product

import numpy as np
import pytest
from dicoms import dicom
from folders import RAMP, picture
from PIL import Image
from raw_images import png, tiff

from faithcam.data.sources import image_files, levels
from faithcam.data.sources.levels import UnreadableError

pytestmark = pytest.mark.counts("cases")

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 10, 3), dtype=np.uint8)
TURNED = {
    1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1), 8: np.rot90,
}  # fmt: skip


def read(path):
    return np.asarray(image_files.read_image(path))


def shown(values):
    """The rule of README and docs for more than 8 bits."""
    values = np.asarray(values, np.float64)
    low, high = np.percentile(values, (0.5, 99.5))
    return np.rint(255 * np.clip((values - low) / (high - low), 0, 1))


def stretched(path, values):
    assert np.abs(read(path).astype(int) - shown(values)).max() <= 1


def refused(path, *messages):
    with pytest.raises(UnreadableError) as error:
        image_files.read_image(path)
    for message in messages:
        assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("turn", TURNED)
def test_orientations(tmp_path, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    for suffix, options in (("png", {}), ("webp", {"lossless": True}), ("jfif", {})):
        file = tmp_path / f"a.{suffix}"
        name = "JPEG" if suffix == "jfif" else None
        Image.fromarray(COLOUR).save(file, name, exif=exif, **options)
        Image.fromarray(COLOUR).save(tmp_path / "plain", name or suffix, **options)
        assert np.array_equal(read(file), TURNED[turn](read(tmp_path / "plain")))
    for values, deflate in product((RAMP, COLOUR, COLOUR.astype(np.uint16) * 9), (False, True)):
        photometric = 1 if values.ndim == 2 else 2
        bits = 8 * values.itemsize
        file = tiff(tmp_path / "a.tif", values, photometric, bits, deflate=deflate, t274=turn)
        expected = values if bits == 8 else shown(values)
        assert np.abs(read(file) - TURNED[turn](expected).astype(int)).max() <= (bits > 8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_and_palette_tiff_of_few_bits(tmp_path, bits):
    full = 2**bits - 1
    values = RANDOM.integers(0, full + 1, (6, 11))
    colours = 257 * RANDOM.integers(0, 256, (3, full + 1))
    for order, deflate in product("<>", (False, True)):
        file = tmp_path / "a.tif"
        grey = values * (255 // full)
        assert np.array_equal(read(tiff(file, values, 1, bits, 1, order, deflate)), grey)
        assert np.array_equal(read(tiff(file, values, 0, bits, 1, order, deflate)), 255 - grey)
        palette = tiff(file, values, 3, bits, 1, order, deflate, t320=colours.ravel())
        assert np.array_equal(read(palette), (colours // 257).T[values])
    refused(tiff(file, values, 3, bits, t320=colours.ravel() // 257), "PhotometricInterpretation 3")
    refused(tiff(file, values, 1, bits, t262=None), "PhotometricInterpretation None")


@pytest.mark.parametrize(
    ("sample", "bits"), [(1, 12), (1, 16), (2, 16), (1, 32), (2, 32), (3, 32), (3, 64)]
)
@pytest.mark.parametrize("photometric", [0, 1, 2])
def test_tiff_of_more_than_8_bits(tmp_path, photometric, sample, bits):
    size = (6, 10, 3) if photometric == 2 else (6, 11)
    values = RANDOM.normal(size=size) * 1000
    if sample != 3:
        values = np.clip(values.astype(int) + (0 if sample == 2 else 4000), -(2**15), 4095)
        values = np.maximum(values, 0) if sample == 1 else values
    for order, deflate in product("<>", (False, True)):
        file = tiff(tmp_path / "a.tif", values, photometric, bits, sample, order, deflate)
        stretched(file, -values if photometric == 0 else values)


@pytest.mark.parametrize(("bits", "planes"), list(product((8, 16), (1, 2))))
@pytest.mark.parametrize("alpha", [0, 1, 2])
def test_tiff_with_transparency(tmp_path, bits, planes, alpha):
    values = RANDOM.integers(0, 2**bits, (6, 10, 4))
    values[..., 3] = 2**bits - 1
    file = tmp_path / "a.tif"
    colour = tiff(file, values, 2, bits, planes=planes, t338=alpha)
    if bits == 8:
        assert np.array_equal(read(colour), values[..., :3])
        grey = tiff(file, values[..., 2:], 1, 8, planes=planes, t338=alpha)
        assert np.array_equal(read(grey), values[..., 2])
    elif planes == 1:
        stretched(colour, values[..., :3])
        refused(tiff(file, values[..., 2:], 1, 16, t338=alpha), "2 samples per pixel")
    else:
        refused(colour, "PlanarConfiguration 2")


def test_cmyk_and_ycbcr_tiff(tmp_path):
    ink = RANDOM.integers(0, 256, (6, 10, 4))
    light = np.rint((255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255)
    assert np.abs(read(tiff(tmp_path / "a.tif", ink, 5, 8)) - light).max() <= 1
    luma = RANDOM.integers(0, 256, (4, 8))
    blocks = luma.reshape(2, 2, 4, 2).transpose(0, 2, 1, 3).reshape(8, 4)
    packed = np.pad(blocks, ((0, 0), (0, 2)), constant_values=128).astype(np.uint8)
    file = tiff(
        tmp_path / "b.tif", packed.reshape(1, -1, 3), 6, 8, t256=8, t257=4, t278=4, t530=[2, 2]
    )
    assert np.array_equal(read(file), np.dstack([luma] * 3))


@pytest.mark.parametrize(
    ("photometric", "samples", "bits", "sample"),
    [
        *((8, 3, 8, 1), (9, 3, 8, 1), (5, 4, 16, 1), (3, 1, 16, 1), (1, 3, 8, 1), (1, 3, 16, 1)),
        *((32803, 1, 8, 1), (1, 1, 8, 2), (1, 1, 16, 3), (6, 3, 16, 1), (1, 1, 24, 1)),
    ],
)
def test_other_kinds_of_tiff_are_refused(tmp_path, photometric, samples, bits, sample):
    values = np.zeros((6, 10, samples * (3 if bits == 24 else 1)), np.uint8)
    written = 8 if bits == 24 else bits
    for planes in (1, 2) if bits != 24 else (1,):
        file = tiff(
            tmp_path / "a.tif", values, photometric, written, sample, planes=planes,
            t258=[bits] * samples, t277=samples, t339=[sample] * samples,
            t320=[9999] * 2**16 if photometric == 3 else None,
        )  # fmt: skip
        refused(file, "save it as PNG or TIFF of 8 or 16 bits, grey or RGB")


@pytest.mark.parametrize(("kind", "samples"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_png_of_16_bits_keeps_them_in_colour_and_with_transparency(tmp_path, kind, samples):
    values = RANDOM.integers(0, 4096, (40, 48, samples))  # 12 bits: 16 levels in the upper 8
    values[..., samples - 1 + samples % 2 :] = 65535
    seen = values[..., : samples - 1 + samples % 2]
    actual = read(png(tmp_path / "a.png", values, kind))
    assert len(np.unique(actual)) == 256
    assert np.array_equal(actual, shown(seen if samples > 2 else seen[..., 0]))


@pytest.mark.parametrize("precision", [12, 16])
def test_jpeg_2000_of_more_than_8_bits(tmp_path, precision):
    import cv2

    values = RANDOM.integers(0, 4096, (40, 48, 3), dtype=np.uint16) << (precision - 12)
    _, data = cv2.imencode(".jp2", values, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    (tmp_path / "a.jp2").write_bytes(data.tobytes())
    stretched(tmp_path / "a.jp2", values[..., ::-1])


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "bmp", "tif", "jp2", "j2k"])
def test_formats_keep_the_pixels_of_grey_and_colour(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    few = COLOUR // 128 * 255  # a GIF has up to 256 colours
    for values in (RAMP, few):
        Image.fromarray(values).save(tmp_path / f"a.{suffix}", **options)
        actual = image_files.read_image(tmp_path / f"a.{suffix}")
        assert np.array_equal(np.asarray(actual.convert("L" if values is RAMP else "RGB")), values)


@pytest.mark.parametrize("suffix", sorted(image_files.SUFFIXES))
def test_every_suffix_that_counts_as_an_image_is_read(tmp_path, suffix):
    flat = np.full((8, 9), 100, np.uint8)
    write = dicom if suffix in (".dcm", ".dicom") else picture
    file = write(tmp_path / f"a{suffix}", flat)
    assert image_files.is_image(file)
    assert np.array_equal(np.asarray(image_files.read_image(file).convert("L")), flat)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_animations_and_pages_are_refused(tmp_path, suffix):
    pages = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR), Image.fromarray(COLOUR // 2)]
    pages[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pages[1:])
    refused(tmp_path / f"a.{suffix}", "3 images in one file, expected 1")
    if suffix == "tif":
        deep = Image.fromarray(RAMP.astype(np.uint16))
        deep.save(tmp_path / "b.tif", save_all=True, append_images=[deep])
        refused(tmp_path / "b.tif", "2 images in one file, expected 1")


def test_of_a_jpeg_with_several_pictures_the_first_is_read(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "one.jpg")
    other = Image.fromarray(255 - COLOUR)
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[other])
    assert np.array_equal(read(tmp_path / "a.jpg"), read(tmp_path / "one.jpg"))


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_damaged_exif_beside_sound_pixels(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOUR).save(file, exif=exif)
    upright = read(file)
    data, tag = file.read_bytes(), {"jpg": b"Exif\0\0", "webp": b"EXIF", "png": b"eXIf"}[suffix]
    start = data.index(tag) + len(tag) + 4 * (suffix == "webp")
    data = data[:start] + b"\xff" * 10 + data[start + 10 :]
    if suffix == "png":
        length = struct.unpack(">I", data[start - 8 : start - 4])[0]
        check = struct.pack(">I", zlib.crc32(data[start - 4 : start + length]))
        data = data[: start + length] + check + data[start + length + 4 :]
    file.write_bytes(data)
    assert np.array_equal(np.rot90(read(file), -1), upright)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif", "jp2"])
def test_cut_files_are_refused(tmp_path, suffix):
    file = picture(tmp_path / f"a.{suffix}", RANDOM.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 3])
    refused(file, "damaged")


def test_cut_files_of_16_bits_are_refused(tmp_path):
    values = RANDOM.integers(0, 65536, (30, 40, 3))
    for deflate in (False, True):
        file = tiff(tmp_path / "a.tif", values, 2, 16, deflate=deflate)
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2) * deflate)
        refused(file, "damaged")
    file = png(tmp_path / "a.png", values, 2)
    file.write_bytes(file.read_bytes()[:-2000])
    refused(file, "damaged")


def test_what_is_no_image(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    refused(file, "read are PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG 2000 and DICOM")
    file.write_bytes(b"")
    refused(file, "0 bytes")
    with pytest.raises(FileNotFoundError):
        image_files.read_image(tmp_path / "none.png")


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif", "jp2"])
def test_images_beyond_the_limit_are_refused_before_they_are_unpacked(
    tmp_path, monkeypatch, suffix
):
    file = picture(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(levels, "LIMIT", 63)
    Image.init()  # one of the plugins loads an image of its own
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("unpacked"))
    refused(file, "8 x 8 px found, expected at most 63 pixels; make it smaller")


@pytest.mark.counts("attacks")
def test_a_png_of_few_bytes_and_many_pixels(tmp_path):
    header = struct.pack(">IIBBBBB", 2**15, 2**15, 8, 0, 0, 0, 0)
    file = png(tmp_path / "a.png", RAMP[..., None], 0, 8)
    file.write_bytes(file.read_bytes().replace(file.read_bytes()[16:29], header))
    data = file.read_bytes()
    file.write_bytes(data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:])
    refused(file, "exceeds limit", "make it smaller")


def test_masks_of_every_format(tmp_path):
    lesion = np.zeros((8, 8), np.uint8)
    lesion[2:5, 3:6] = 1
    for suffix, top in (("png", 1), ("gif", 255), ("tif", 9), ("bmp", 1), ("jp2", 255)):
        file = picture(tmp_path / f"m.{suffix}", lesion * np.uint8(top))
        assert np.array_equal(image_files.read_mask(file, (8, 8), 8), lesion)
    file = tiff(tmp_path / "m.tif", np.dstack([lesion * 0, lesion * 0, lesion]), 2, 8)
    assert np.array_equal(image_files.read_mask(file, (8, 8), 8), lesion)
    picture(tmp_path / "m.webp", lesion, lossless=True)
    with pytest.raises(UnreadableError, match="lossy: 1 at most found, expected above 127"):
        image_files.read_mask(tmp_path / "m.webp", (8, 8), 8)
