"""MedMNIST's files: keys, pixels, masks, and what is refused."""

import io
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from npz_files import COUNTS, GREY, arrays, npz, read
from payload import Payload

from faithcam.core.errors import FaithcamError
from faithcam.data import medmnist
from faithcam.data.sources import npz as reading

pytestmark = pytest.mark.usefixtures("few_images")
COLOUR = {"flag": "pathmnist", "size": 28}


@pytest.mark.parametrize("definition", [GREY, COLOUR])
def test_pixels_and_labels_keep_their_order(tmp_path, definition):
    content = arrays(definition is COLOUR)
    file = npz(tmp_path / "a.npz", **dict(reversed(content.items())))
    source = reading.source(definition, file)
    images, masks = read(definition, file)
    expected = np.concatenate([content[f"{s}_images"] for s in COUNTS])
    assert np.array_equal(images, expected.reshape(9, 28, 28, -1))
    assert source.channels == images.shape[-1]
    assert not masks.any()
    assert [row.label for row in source.rows] == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert source.rows[4] == ("val", 0, "val[0]", "val[0]")


def test_masks_are_optional_for_each_split_and_any_number_but_zero_is_lesion(tmp_path):
    file = npz(tmp_path / "a.npz", **arrays())
    lesions = np.zeros((2, 28, 28), np.uint8)
    lesions[1, 3, 4] = 255
    masks = npz(tmp_path / "m.npz", val_masks=lesions, train_masks=np.ones((4, 28, 28), bool))
    _, actual = read(GREY, file, masks)
    assert actual.dtype == np.uint8
    assert actual.sum((1, 2)).tolist() == [784] * 4 + [0, 1] + [0] * 3
    assert actual[5, 3, 4] == 1


def test_chunks_are_small_and_change_nothing(tmp_path, monkeypatch):
    file = npz(tmp_path / "a.npz", **arrays())
    whole = read(GREY, file)
    monkeypatch.setattr(reading, "CHUNK", 3 * 28 * 28)
    chunks = list(reading.source(GREY, file).chunks)
    assert [len(images) for images, _ in chunks] == [3, 1, 2, 3]
    assert np.array_equal(np.concatenate([c[0] for c in chunks]), whole[0])


def test_images_never_are_in_memory_at_once(tmp_path, monkeypatch):
    count = 40_000  # 31 MB
    content = arrays() | {
        "train_images": np.zeros((count, 28, 28), np.uint8),
        "train_labels": np.arange(count, dtype=np.uint8)[:, None] % 2,
    }
    file = npz(tmp_path / "a.npz", **content)
    del content
    monkeypatch.setattr(reading, "CHUNK", 1 << 20)
    spec = replace(medmnist.FLAGS["breastmnist"], images=(count, COUNTS["val"], COUNTS["test"]))
    monkeypatch.setitem(medmnist.FLAGS, "breastmnist", spec)
    source = reading.source(GREY, file)
    tracemalloc.start()
    for _ in source.chunks:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def broken(**changes):
    return arrays() | changes


FLOATS = np.zeros((4, 28, 28), np.float32)
NANS = FLOATS.copy()
NANS[0, 0, 0] = np.nan
LABELS = np.zeros((4, 1), np.uint8)
OBJECTS = np.array([[None]] * 4, dtype=object)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": LABELS}, r"key train_labels expected, found \['x'\]"),
        (broken(train_images=FLOATS), r"train_images is float32 .* expected uint8 \(4, 28, 28\)"),
        (broken(train_images=NANS), r"train_images is float32 \(4, 28, 28\) with NaN; expected"),
        (broken(train_images=OBJECTS), "train_images is object .*: pickled objects; expected"),
        (broken(val_images=FLOATS[..., :5]), r"val_images is float32 \(4, 28, 5\)"),
        (broken(val_images=arrays()["train_images"]), r"val_images is uint8 \(4, .* \(2, 28, 28\)"),
        (broken(test_images=arrays(True)["test_images"]), r"\(3, 28, 28, 3\); .* \(3, 28, 28\)"),
        (broken(train_labels=OBJECTS), "a.npz: cannot be read as npz without pickled objects"),
        (
            broken(train_labels=NANS[:, 0, :1]),
            r"train_labels is float32 \(4, 1\) with NaN; expected",
        ),
        (broken(train_labels=np.zeros((4, 14), int)), r"train_labels is int64 \(4, 14\); expected"),
        (broken(val_labels=np.full((2, 1), 2)), r"val_labels holds \[2\]; expected 0 to 1"),
        (broken(val_labels=np.full((2, 1), -1)), r"val_labels holds \[-1\]; expected 0 to 1"),
    ],
)
def test_a_bad_npz_is_named_with_key_found_and_expected(tmp_path, content, message):
    file = npz(tmp_path / "a.npz", **content)
    with pytest.raises(FaithcamError, match=message) as error:
        read(GREY, file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"masks": LABELS}, r"keys \['masks'\] found, expected train_masks, val_masks or test_m"),
        (
            {"train_masks": FLOATS},
            r"train_masks is float32 .* expected uint8 or bool \(4, 28, 28\)",
        ),
        ({"train_masks": NANS}, "train_masks is float32 .* with NaN"),
        ({"val_masks": np.zeros((2, 64, 64), bool)}, r"val_masks is bool \(2, 64, 64\); expected"),
    ],
)
def test_bad_masks_are_named_with_key_found_and_expected(tmp_path, content, message):
    file, masks = npz(tmp_path / "a.npz", **arrays()), npz(tmp_path / "m.npz", **content)
    with pytest.raises(FaithcamError, match=message) as error:
        read(GREY, file, masks)
    assert str(masks) in str(error.value)


@pytest.mark.parametrize("cut", [0, 10, 2000, -30])
def test_a_truncated_or_corrupt_npz_is_an_error(tmp_path, cut):
    file = npz(tmp_path / "a.npz", **arrays())
    content = file.read_bytes()
    file.write_bytes(content[:cut])
    with pytest.raises(FaithcamError, match=r"a\.npz: cannot be read as npz"):
        read(GREY, file)
    half = len(content) // 3
    file.write_bytes(content[:half] + bytes(200) + content[half + 200 :])
    with pytest.raises(FaithcamError, match=r"a\.npz"):
        read(GREY, file)


def test_a_member_in_an_unknown_compression_is_an_error(tmp_path):
    file = npz(tmp_path / "a.npz", **arrays())
    content = file.read_bytes()
    for start, place in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        parts = content.split(start)
        parts[1:] = [part[: place - 4] + b"\x4d" + part[place - 3 :] for part in parts[1:]]
        content = start.join(parts)
    file.write_bytes(content)
    words = r"a\.npz: cannot be read as npz .* move it away and run the download again"
    with pytest.raises(FaithcamError, match=words):
        read(GREY, file)


@pytest.mark.parametrize(("place", "split"), list(enumerate(COUNTS)))
def test_another_number_of_images_is_an_error(tmp_path, monkeypatch, place, split):
    expected = list(COUNTS.values())
    expected[place] += 1
    spec = replace(medmnist.FLAGS["breastmnist"], images=tuple(expected))
    monkeypatch.setitem(medmnist.FLAGS, "breastmnist", spec)
    file = npz(tmp_path / "a.npz", **arrays())
    with pytest.raises(FaithcamError, match=rf"a\.npz: {split}_labels holds .* images, expected"):
        reading.source(GREY, file)


@pytest.mark.counts("attacks")
def test_more_rows_than_the_header_says_are_an_error(tmp_path):
    content = arrays()
    file = npz(tmp_path / "a.npz", **{k: v for k, v in content.items() if k != "test_images"})
    with (
        zipfile.ZipFile(file, "a") as archive,
        archive.open("test_images.npy", "w") as member,
    ):
        np.lib.format.write_array(member, content["test_images"])
        member.write(bytes(28 * 28))
    with pytest.raises(FaithcamError, match="test_images is longer than its header says"):
        read(GREY, file)


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("key", ["train_images", "train_labels"])
def test_a_pickle_in_an_npz_is_not_loaded(tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    objects = np.array([[Payload()]] * 4, dtype=object)
    with pytest.raises(FaithcamError, match=r"a\.npz: .*pickled objects"):
        read(GREY, npz(tmp_path / "a.npz", **broken(**{key: objects})))
    assert not (tmp_path / "owned").exists()


@pytest.mark.counts("attacks")
def test_few_bytes_that_are_many_pixels_are_not_unpacked(tmp_path):
    content = arrays()
    file = npz(tmp_path / "a.npz", **{k: v for k, v in content.items() if k != "train_images"})
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 28, 28)}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", header.getvalue() + bytes(10**7))
    tracemalloc.start()
    with pytest.raises(FaithcamError, match=r"train_images is uint8 \(1000000000, 28, 28\)"):
        read(GREY, file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
