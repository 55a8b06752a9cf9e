"""Arrays on disk are read like numpy's, and no changed byte of them is read."""

import numpy as np
import pytest

from faithcam.core.errors import FaithcamError
from faithcam.data import arrays
from faithcam.data.arrays import StoredArray
from faithcam.results import files

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 5, 7), dtype=np.uint8)


@pytest.fixture(params=[16, 64, 1 << 20])
def stored(request, tmp_path, monkeypatch):
    """The file: blocks shorter than a row, longer, and longer than the file."""
    monkeypatch.setattr(files, "BLOCK", request.param)
    path = tmp_path / "images.npy"
    with arrays.writer(path, PIXELS.shape) as writer:
        for rows in np.split(PIXELS, 8):
            writer.append(rows)
    return path


def opened(path):
    return StoredArray(path, PIXELS.shape, path.with_name("manifest.json"))


@pytest.mark.parametrize(
    "index",
    [
        3, -1, [5, 5, 0], slice(2, 9), slice(None), np.arange(40) % 3 == 0, (slice(4, 6), 2),
        np.array([[1, 2], [3, 39]]), [], (np.array([7, 1]), slice(1, 3)),
    ],
    ids=str,
)  # fmt: skip
def test_rows_are_those_of_numpy(stored, index):
    array = opened(stored)
    np.testing.assert_array_equal(array[index], PIXELS[index])
    assert (array.shape, array.ndim, array.dtype, len(array)) == ((40, 5, 7), 3, np.uint8, 40)
    np.testing.assert_array_equal(np.asarray(array), PIXELS)
    assert np.array_equal(np.load(stored), PIXELS)


def test_every_changed_row_is_refused_and_the_others_are_read(stored):
    content = stored.read_bytes()
    start = len(content) - PIXELS.nbytes
    for row in range(len(PIXELS)):
        for place in (start + row * 35, start + row * 35 + 17, start + row * 35 + 34):
            flipped = bytearray(content)
            flipped[place] ^= 4
            stored.write_bytes(flipped)
            with pytest.raises(FaithcamError, match=r"images\.npy: changed or damaged .*manifest"):
                opened(stored)[[row]]
    if files.BLOCK == 64:
        array = opened(stored)  # the last row is still changed
        np.testing.assert_array_equal(array[:30], PIXELS[:30])
        with pytest.raises(FaithcamError, match="changed or damaged"):
            array[30:]


def test_a_changed_header_is_refused(stored):
    content = stored.read_bytes()
    for place in range(len(content) - PIXELS.nbytes):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        stored.write_bytes(flipped)
        with pytest.raises(FaithcamError, match=r"images\.npy: "):
            opened(stored)


def test_a_file_of_another_length_or_shape_is_refused(stored):
    content = stored.read_bytes()
    with pytest.raises(FaithcamError, match=r"\(40, 5, 7\) found, \(39, 5, 7\) expected"):
        StoredArray(stored, (39, 5, 7), stored)
    for wrong in (b"", content[:-1], content[:90], content + bytes(files.BLOCK)):
        stored.write_bytes(wrong)
        with pytest.raises(FaithcamError, match=r"images\.npy: "):
            opened(stored)[:]


def test_without_records_rows_are_taken_as_they_are(stored, monkeypatch):
    files.record_path(stored).unlink()
    with pytest.raises(FaithcamError, match=r"\.images\.npy\.record .*is not there"):
        opened(stored)
    monkeypatch.setenv(files.NOT_KEPT, "1")
    np.testing.assert_array_equal(opened(stored)[:], PIXELS)
