"""A user's own images: formats, sizes, masks, splits, and everything that can be wrong."""

import csv
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset

from faithcam.core.errors import FaithcamError
from faithcam.data import items as image_items
from faithcam.data import prepare
from faithcam.data.dataset import SPLITS, open_dataset
from faithcam.data.sources import folder, image_files

BUSI = Path(__file__).parents[2].parent / "shared" / "data" / "busi_sample"
RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def picture(path, values=RAMP, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)
    return path


def classes(root, count=6, names=("cat", "dog")):
    """Make class folders of different images."""
    random = np.random.default_rng(0)
    for name in names:
        for i in range(count):
            values = random.integers(0, 256, (10, 12), dtype=np.uint8)
            picture(root / name / f"{name} ({i}) [x].png", values)
    return root


def table(path, rows, columns=("path", "label", "split", "group", "mask")):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows(root, count=6):
    classes(root, count)
    return [
        {"path": str(file.relative_to(root)), "label": file.parent.name}
        for file in sorted(root.glob("*/*.png"))
    ]


def made(path, size=8, seed=1, **options):
    return folder.source("d", {"path": str(path), "size": size, **options}, seed)


def pixels(source):
    chunks = list(source.chunks)
    return np.concatenate([c[0] for c in chunks]), np.concatenate([c[1] for c in chunks])


# --- one file ------------------------------------------------------------------------------------


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


def test_a_constant_image_stays_one(tmp_path):
    values = np.full((8, 8), 40000, np.uint16)
    assert np.ptp(np.asarray(image_files.read_image(picture(tmp_path / "a.png", values)))) == 0


def dicom(path, values, **elements):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 1 if values.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return path


CT = np.array([[0, 984, 1024], [1064, 1104, 3000]], np.int16)


def test_dicom_is_rescaled_and_windowed(tmp_path):
    window = {
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": [0, 5],
        "WindowWidth": [81, 9],
    }
    actual = np.asarray(image_files.read_image(dicom(tmp_path / "a.dcm", CT, **window)))
    # PS3.3 C.11.2.1.2: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255 for x = -40, 0, 40
    assert actual.tolist() == [[0, 2, 129], [255, 255, 255]]


def test_dicom_without_window_and_inverted(tmp_path):
    actual = np.asarray(image_files.read_image(dicom(tmp_path / "a.dcm", CT)))
    inverted = dicom(tmp_path / "b.dcm", CT, PhotometricInterpretation="MONOCHROME1")
    assert (actual.min(), actual.max()) == (0, 255)
    assert np.array_equal(np.asarray(image_files.read_image(inverted)), 255 - actual)


def test_eight_bit_and_colour_dicom_keep_their_pixels(tmp_path):
    colour = np.dstack([RAMP, RAMP[::-1], RAMP.T])
    for name, values in (("grey", RAMP), ("colour", colour)):
        # no suffix: found by content
        actual = image_files.read_image(dicom(tmp_path / name, values))
        assert np.array_equal(np.asarray(actual), values)


def test_dicom_of_several_frames_or_palette_is_refused(tmp_path):
    with pytest.raises(ValueError, match="4 frames"):
        image_files.read_image(dicom(tmp_path / "a.dcm", RAMP, NumberOfFrames=4))
    palette = dicom(tmp_path / "b.dcm", RAMP, PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ValueError, match="palette"):
        image_files.read_image(palette)


def test_a_tiff_of_two_pages_is_refused(tmp_path):
    page = Image.fromarray(RAMP)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(ValueError, match="2 images in one file"):
        image_files.read_image(tmp_path / "a.tif")


# --- size, colour, masks -------------------------------------------------------------------------


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
    assert dataset.masks.any((1, 2)).tolist() == (dataset.labels < 2).tolist()
    assert "train: 5 images: benign 1 (20%); malignant 2 (40%); normal 2 (40%)" in (
        capsys.readouterr().out
    )


# --- splits --------------------------------------------------------------------------------------


def items(groups, labels):
    return [
        image_items.Item(Path(f"{i}"), f"{i}", label, group)
        for i, (group, label) in enumerate(zip(groups, labels, strict=True))
    ]


def test_groups_stay_together_in_stratified_shares():
    images = items([f"{i // 5}" for i in range(500)], ["ab"[i // 5 % 4 == 0] for i in range(500)])
    split = image_items.split_by_group(images, (0.15, 0.2), (1, "d"))
    where = {}
    for item in split:
        where.setdefault(item.group, set()).add(item.split)
    assert all(len(splits) == 1 for splits in where.values())
    counts = {(s, g): 0 for s in SPLITS for g in "ab"}
    for item in split:
        counts[item.split, item.label] += 1
    assert counts == {
        ("train", "a"): 245, ("val", "a"): 55, ("test", "a"): 75,
        ("train", "b"): 80, ("val", "b"): 20, ("test", "b"): 25,
    }  # fmt: skip


def test_the_split_is_keyed_by_group_not_drawn_in_sequence():
    images = items([f"{i}" for i in range(40)], ["a"] * 40)
    first = image_items.split_by_group(images, (0.2, 0.2), (1, "d"))
    backwards = image_items.split_by_group(images[::-1], (0.2, 0.2), (1, "d"))[::-1]
    assert first == backwards
    assert first != image_items.split_by_group(images, (0.2, 0.2), (2, "d"))
    assert first != image_items.split_by_group(images, (0.2, 0.2), (1, "e"))
    more = image_items.split_by_group(
        [*images, *items([f"new{i}" for i in range(10)], ["a"] * 10)], (0.2, 0.2), (1, "d")
    )
    moved = sum(a.split != b.split for a, b in zip(first, more, strict=False))
    assert moved < 12


@pytest.mark.parametrize("shares", [(0, 0.2), (0.2, 0), (0.5, 0.5), (0.9, 0.9)])
def test_shares_without_training_images(shares):
    with pytest.raises(FaithcamError, match="expected shares > 0 whose sum is below 1"):
        image_items.split_by_group(items("abc", "xyx"), shares, (1, "d"))


def test_a_folder_below_the_class_is_a_group(tmp_path):
    classes(tmp_path, 5)
    for i in range(4):
        picture(tmp_path / "cat" / "patient 7" / f"{i}.png")
    source = made(tmp_path)
    together = [row for row in source.rows if row.group == "patient 7"]
    assert len(together) == 4
    assert len({row.split for row in together}) == 1


def test_a_csv_with_everything(tmp_path):
    lines = rows(tmp_path, 4)
    for i, line in enumerate(lines):
        line["split"] = ("train", "val", "test", "train")[i % 4]
        line["group"] = f"p{i}"
    picture(tmp_path / "masks" / "m.png", np.full((10, 12), 255, np.uint8))
    lines[2]["mask"] = "masks/m.png"
    source = made(table(tmp_path / "t.csv", lines))
    assert [row.split for row in source.rows] == ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    assert source.rows[6] == ("test", 0, "p2", lines[2]["path"])
    assert pixels(source)[1].sum((1, 2)).tolist() == [0] * 6 + [64, 0]


def test_a_csv_from_a_spreadsheet_with_mark_and_absolute_paths(tmp_path):
    lines = rows(tmp_path)
    for line in lines:
        line["path"] = str(tmp_path / line["path"])
    file = table(tmp_path / "t.csv", lines, ("path", "label"))
    file.write_text("\ufeff" + file.read_text(), encoding="utf-8")
    assert len(made(file).rows) == 12


def test_identical_images_across_splits_are_reported(tmp_path, capsys):
    lines = rows(tmp_path / "i", 3)
    for i, line in enumerate(lines):
        line["split"] = SPLITS[i % 3]
        line["path"] = "i/" + line["path"]
    picture(tmp_path / "i" / "copy.png", np.asarray(Image.open(tmp_path / lines[0]["path"])))
    lines.append({"path": "i/copy.png", "label": "dog", "split": "test"})
    definition = {"source": "folder", "path": str(table(tmp_path / "t.csv", lines)), "size": 8}
    prepare.prepare("d", definition, 1, [], tmp_path / "out")
    expected = f"{lines[0]['path']} in train (cat) = i/copy.png in test (dog): contradictory labels"
    assert expected in capsys.readouterr().out


# --- bad input -----------------------------------------------------------------------------------


def refused(path, *messages, **options):
    with pytest.raises(FaithcamError) as error:
        pixels(made(path, **options))
    for message in (*messages, str(path)):
        assert message in str(error.value)


def test_one_class_or_none(tmp_path):
    refused(classes(tmp_path, names=["cat"]), "one class ['cat'] found, expected at least two")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no folders; expected one folder per class")
    refused(tmp_path / "nowhere", "cannot be read", "expected a folder of class folders, or a CSV")


def test_an_empty_class(tmp_path):
    classes(tmp_path)
    (tmp_path / "mouse").mkdir()
    (tmp_path / "mouse" / "notes.txt").write_text("no image")
    refused(tmp_path, "no images in mouse")


def test_too_few_images_for_three_splits(tmp_path):
    refused(classes(tmp_path, 2), "every class needs images in train, val and test", "cat in train")


def test_all_broken_files_are_named_at_once(tmp_path):
    good = classes(tmp_path, 8) / "cat" / "cat (0) [x].png"
    (tmp_path / "cat" / "zero.png").write_bytes(b"")
    (tmp_path / "cat" / "text.jpg").write_text("no image at all")
    (tmp_path / "dog" / "cut.png").write_bytes(good.read_bytes()[:80])
    (tmp_path / "dog" / "cut.dcm").write_bytes(bytes(128) + b"DICM")
    names = ["cat/zero.png: 0 bytes", "cat/text.jpg: ", "dog/cut.png: ", "dog/cut.dcm: "]
    refused(tmp_path, "(4 in all)", *names)


def test_a_long_list_of_broken_files_is_cut(tmp_path):
    classes(tmp_path, 3)
    for i in range(30):
        (tmp_path / "cat" / f"{i}.png").write_bytes(b"")
    refused(tmp_path, "(30 in all)", "and 10 more")


def test_a_mask_of_another_size_or_without_image(tmp_path):
    classes(tmp_path)
    picture(tmp_path / "cat" / "cat (1) [x]_mask.png")
    refused(tmp_path, "cat (1) [x]_mask.png: mask of (8, 8) px, its image has (12, 10)")
    picture(tmp_path / "cat" / "nobody_mask_2.png")
    refused(tmp_path, "masks without their image", "nobody_mask_2.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "gone.png"}, "line 4: no such file gone.png"),
        ({"path": ""}, "line 4: path or label is empty"),
        ({"label": " "}, "line 4: path or label is empty"),
        ({"mask": "gone.png"}, "line 4: no such file gone.png"),
        ({"split": "validation"}, "line 4: split 'validation', expected train, val or test"),
        ({"split": ""}, "line 4: split '', expected train, val or test"),
        ({"group": "p0"}, "groups (or files) in more than one split: p0 in test and train"),
    ],
)
def test_bad_lines_of_a_csv(tmp_path, change, message):
    lines = rows(tmp_path)
    for i, line in enumerate(lines):
        line |= {"split": SPLITS[i % 3], "group": f"p{i}"}
    lines[2] |= change
    refused(table(tmp_path / "t.csv", lines), message)


def test_bad_csv_files(tmp_path):
    lines = rows(tmp_path)
    refused(table(tmp_path / "a.csv", lines, ("path", "group")), "columns ['label'] are missing")
    refused(table(tmp_path / "b.csv", []), "no rows below the header")
    (tmp_path / "c.csv").write_bytes(b"path,label\n\xff\xfe,1\n")
    refused(tmp_path / "c.csv", "in UTF-8 with the columns path, label")
    (tmp_path / "d.csv").write_text("path;label\na;b\n")
    refused(tmp_path / "d.csv", "found ['path;label']", "separated by commas")


def test_one_file_in_two_given_splits(tmp_path):
    lines = rows(tmp_path)
    for i, line in enumerate(lines):
        line["split"] = SPLITS[i % 3]
    lines.append(lines[0] | {"split": "test"})
    refused(table(tmp_path / "t.csv", lines), "groups (or files) in more than one split")


def test_links_and_hidden_files(tmp_path, capsys):
    classes(tmp_path / "real")
    (tmp_path / "linked").mkdir()
    for name in ("cat", "dog"):
        os.symlink(tmp_path / "real" / name, tmp_path / "linked" / name)
    (tmp_path / "real" / "cat" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "real" / "cat" / "._cat (1) [x].png").write_bytes(b"x")
    assert len(made(tmp_path / "linked").rows) == 12
    assert "2 files are no images" in capsys.readouterr().out
