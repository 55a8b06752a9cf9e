"""A user's own images: formats, sizes, masks, splits, and everything that can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from folders import RAMP, classes, made, picture, pixels
from PIL import Image

from faithcam.data import prepare
from faithcam.data.dataset import open_dataset
from faithcam.data.sources import image_files

pytestmark = pytest.mark.counts("cases")

BUSI = Path(__file__).parents[2].parent / "shared" / "data" / "busi_sample"


@pytest.mark.parametrize("suffix", ["png", "tif", "TIFF", "bmp"])
def test_grey_formats_keep_their_pixels(tmp_path, suffix):
    image = image_files.read_image(picture(tmp_path / f"a.{suffix}"))
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), RAMP)


def test_jpeg_is_nearly_the_same(tmp_path):
    image = image_files.read_image(picture(tmp_path / "a.JPG", quality=95))
    assert np.abs(np.asarray(image).astype(int) - RAMP).max() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_grey_or_colour(tmp_path, mode):
    file = tmp_path / "a.png"
    Image.fromarray(RAMP).convert(mode).save(file)
    assert image_files.read_image(file).mode == ("L" if mode in ("1", "L", "LA") else "RGB")


def test_sixteen_bits_go_from_the_half_th_to_the_99_and_a_half_th_percentile(tmp_path):
    values = np.arange(1000, 1000 + 40 * 25, dtype=np.uint16).reshape(40, 25)
    for suffix in ("png", "tif"):
        actual = np.asarray(image_files.read_image(picture(tmp_path / f"a.{suffix}", values)))
        low, high = 1000 + 0.005 * 999, 1000 + 0.995 * 999
        expected = np.rint(255 * np.clip((values - low) / (high - low), 0, 1))
        assert np.array_equal(actual, expected)
        assert actual.min() == 0
        assert actual.max() == 255


def test_float_tiff_and_its_nan(tmp_path):
    values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    assert np.ptp(np.asarray(image_files.read_image(picture(tmp_path / "a.tif", values)))) == 255
    values[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        image_files.read_image(picture(tmp_path / "b.tif", values))
    with pytest.raises(ValueError, match="NaN or infinite"):
        image_files.read_mask(tmp_path / "b.tif", (8, 8), 8)


def test_a_constant_image_stays_one(tmp_path):
    values = np.full((8, 8), 40000, np.uint16)
    assert np.ptp(np.asarray(image_files.read_image(picture(tmp_path / "a.png", values)))) == 0


def test_the_whole_image_is_stretched_and_averaged(tmp_path):
    classes(tmp_path, 3)
    wide = np.zeros((40, 80), np.uint8)
    wide[:, ::2] = 200
    for file in tmp_path.glob("*/*.png"):
        picture(file, wide)
    images, _ = pixels(made(tmp_path, 10))
    assert images.shape == (6, 10, 10, 1)
    assert np.abs(images.astype(int) - 100).max() <= 4


def test_colour_and_grey(tmp_path):
    classes(tmp_path, 3)
    picture(tmp_path / "cat" / "colour.png", np.dstack([RAMP, RAMP * 0 + 9, RAMP * 0]))
    grey, colour = made(tmp_path, channels=1), made(tmp_path, channels=3)
    at = [row.name for row in grey.rows].index("cat/colour.png")
    grey, colour = pixels(grey)[0], pixels(colour)[0]
    assert colour[at, :, :, 0].tolist() == RAMP.tolist()
    assert colour[at, 0, 0].tolist() == [0, 9, 0]
    assert np.abs(grey[at, :, :, 0] - (0.299 * RAMP + 0.587 * 9)).max() <= 1
    others = np.arange(len(colour)) != at
    assert (colour[others] == grey[others]).all()


def test_masks_are_found_united_and_resized(tmp_path):
    classes(tmp_path, 3)
    one, two = np.zeros((2, 80, 80), bool)
    one[:40, :40], two[40:, 40:] = True, True
    picture(tmp_path / "cat" / "a [1].png", np.zeros((80, 80), np.uint8))
    picture(tmp_path / "cat" / "a [1]_mask.png", one)
    picture(tmp_path / "cat" / "a [1]_mask_1.png", two.astype(np.uint8))
    source = made(tmp_path)
    assert len(source.rows) == 7
    actual = pixels(source)[1][[row.name for row in source.rows].index("cat/a [1].png")]
    assert np.array_equal(actual, np.kron([[1, 0], [0, 1]], np.ones((4, 4))))


def test_a_tiny_lesion_does_not_vanish(tmp_path):
    lesion = np.zeros((100, 100), np.uint8)
    file = picture(tmp_path / "m.png", lesion)
    assert not image_files.read_mask(file, (100, 100), 8).any()
    lesion[55:58, 31:34] = 255
    actual = image_files.read_mask(picture(file, lesion), (100, 100), 8)
    assert actual.sum() == 1
    assert actual[4, 2] == 1


@pytest.mark.skipif(not BUSI.is_dir(), reason=f"the BUSI samples are not at {BUSI}")
def test_busi(tmp_path, capsys):
    definition = {"source": "folder", "path": str(BUSI), "size": 64, "val": 0.3, "test": 0.3}
    prepare.prepare("busi", definition, 1, [], tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("benign", "malignant", "normal")
    assert np.bincount(dataset.labels).tolist() == [3, 4, 4]
    assert dataset.masks[:].any((1, 2)).tolist() == (dataset.labels < 2).tolist()
    assert "train: 5 images: benign 1 (20%); malignant 2 (40%); normal 2 (40%)" in (
        capsys.readouterr().out
    )
