"""Files of maps that were made elsewhere: what is read, and what is refused in which words."""

import io
import pickle
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from faithcam.core.errors import FaithcamError
from faithcam.maps.given import Grids, check, file_of, read
from faithcam.maps.pixels import on_cells

GRIDS, MOST = Grids((2, 3), (8, 12)), 50
IDS, CLASSES = np.array([4, 2, 9]), np.array([0, 1, 1])
MAPS = np.arange(18, dtype=np.float32).reshape(3, 2, 3) - 5


def npz(path, **arrays):
    np.savez_compressed(path / "seed0.npz", **{"image_ids": IDS, "maps": MAPS} | arrays)
    return path / "seed0.npz"


def parquet(path, **columns):
    whole = {
        "image_id": IDS,
        "height": [2] * 3,
        "width": [3] * 3,
        "map": MAPS.reshape(3, -1).tolist(),
    }
    pq.write_table(pa.table(whole | columns), path / "seed0.parquet")
    return path / "seed0.parquet"


def message(path, most=MOST):
    with pytest.raises(FaithcamError) as error:
        read(path, GRIDS, most)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", ">f4"])
def test_maps_of_any_numbers_are_read_as_they_were_written(dtype, tmp_path):
    path = npz(tmp_path, maps=MAPS.astype(dtype), classes=CLASSES.astype(np.uint8))
    check(path, GRIDS)
    found = read(path, GRIDS, MOST)
    assert found.image_ids.tolist() == IDS.tolist()
    assert found.classes.tolist() == CLASSES.tolist()
    assert np.array_equal(found.maps, MAPS)
    assert read(npz(tmp_path), GRIDS, MOST).classes is None


def test_arrays_column_by_column_are_read(tmp_path):
    path = npz(tmp_path, maps=np.asfortranarray(MAPS))
    assert np.array_equal(read(path, GRIDS, MOST).maps, MAPS)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64())])
def test_parquet_says_the_same(kind, tmp_path):
    lists = pa.array(MAPS.reshape(3, -1).tolist(), kind)
    path = parquet(tmp_path, map=lists, **{"class": CLASSES})
    check(path, GRIDS)
    found = read(path, GRIDS, MOST)
    assert found.image_ids.tolist() == IDS.tolist()
    assert found.classes.tolist() == CLASSES.tolist()
    assert np.array_equal(found.maps, MAPS)
    assert read(parquet(tmp_path), GRIDS, MOST).classes is None


def test_maps_of_volumes_have_slices(tmp_path):
    grids = Grids((4, 2, 3), (4, 8, 12))
    maps = np.arange(24.0).reshape(1, 4, 2, 3)
    path = npz(tmp_path, image_ids=[3], maps=maps)
    assert np.array_equal(read(path, grids, MOST).maps, maps)
    sides = {"slices": [4], "height": [2], "width": [3]}
    path = parquet(tmp_path, image_id=[3], map=[maps.ravel().tolist()], **sides)
    assert np.array_equal(read(path, grids, MOST).maps, maps)


def test_pixels_of_a_cell_are_added_up():
    pixels = np.random.default_rng(0).normal(size=(2, 8, 12))
    cells = on_cells(torch.from_numpy(pixels), (2, 3)).numpy()
    assert np.allclose(cells, pixels.reshape(2, 2, 4, 3, 4).sum((2, 4)), rtol=0, atol=1e-12)
    raw = torch.from_numpy(MAPS)
    assert on_cells(raw, (2, 3)) is raw
    slices = torch.from_numpy(pixels)[None]
    assert torch.equal(on_cells(slices, (2, 2, 3))[0], torch.from_numpy(cells))
    uneven = on_cells(torch.ones(1, 5, 5), (2, 2))  # rows 0, 1 and rows 2 to 4
    assert uneven.tolist() == [[[4, 6], [6, 9]]]


def test_the_file_of_a_network_is_the_one_that_is_there(tmp_path):
    (tmp_path / "d" / "net-gap").mkdir(parents=True)
    with pytest.raises(FaithcamError, match=r"seed0\.npz: no such file, expected maps of d/net"):
        file_of(tmp_path, "d/net-gap/seed0")
    path = parquet(tmp_path / "d" / "net-gap")
    assert file_of(tmp_path, "d/net-gap/seed0") == path
    npz(tmp_path / "d" / "net-gap")
    with pytest.raises(FaithcamError, match=r"seed0\.npz: seed0\.parquet found beside it"):
        file_of(tmp_path, "d/net-gap/seed0")


OBJECTS = np.array([MAPS[0], None, "x"], dtype=object)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"maps": OBJECTS}, "maps is of pickled objects, expected numbers"),
        ({"maps": MAPS.astype(str)}, "maps is of <U32, expected numbers"),
        ({"maps": MAPS > 0}, "maps is of bool, expected numbers"),
        ({"maps": MAPS.astype(complex)}, "maps is of complex128, expected numbers"),
        ({"image_ids": IDS.astype(float)}, "image_ids is of float64, expected whole numbers"),
        ({"image_ids": np.array(["4", "2", "9"])}, "image_ids is of <U1, expected whole numbers"),
        ({"image_ids": IDS[None]}, "image_ids (1, 3) found, expected one number per map, (n,)"),
        ({"classes": CLASSES[:2]}, "image_ids (3,), classes (2,), maps (3, 2, 3) found, expected"),
        ({"maps": MAPS[:2]}, "image_ids (3,), maps (2, 2, 3) found, expected as many of each"),
        ({"maps": MAPS[0]}, "image_ids (3,), maps (2, 3) found, expected as many of each"),
        ({"maps": np.float32(1)}, "image_ids (3,), maps () found, expected as many of each"),
        (
            {"maps": MAPS.transpose(0, 2, 1)},
            "maps of shape (3, 2) found, expected (2, 3) (cells) or (8, 12) (pixels)",
        ),
        ({"maps": MAPS[..., None]}, "maps of shape (2, 3, 1) found, expected (2, 3) (cells)"),
        ({"image_ids": IDS[:0], "maps": MAPS[:0]}, "0 maps found, expected 1 to 50"),
        ({"class": CLASSES}, "class, image_ids, maps found, expected image_ids, maps and, if"),
        ({"image_ids": [4, 2, 4]}, "2 maps of image 4 found, expected one; if each is of another"),
        (
            {"image_ids": [4, 2, 4], "classes": [1, 1, 1]},
            "2 maps of image 4, class 1 found, expected one",
        ),
    ],
)
def test_an_npz_of_something_else_is_refused(arrays, words, tmp_path):
    assert message(npz(tmp_path, **arrays)).startswith(words)


LISTS = MAPS.reshape(3, -1).tolist()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"map": IDS}, "column map is of int64, expected lists of numbers"),
        ({"map": [["a"] * 6] * 3}, "column map is of list<element: string>, expected lists"),
        ({"image_id": IDS.astype(float)}, "column image_id is of double, expected whole numbers"),
        ({"height": [3] * 3, "width": [2] * 3}, "maps of shape (3, 2) found, expected (2, 3)"),
        ({"height": [2, 2, 3]}, "maps of 2 shapes found, expected one"),
        ({"image_id": [4, None, 9]}, "empty cells in column image_id found, expected numbers"),
        ({"map": [*LISTS[:2], None]}, "13 numbers in column map found, expected 3 maps of 6"),
        ({"map": [*LISTS[:2], [*LISTS[2][:5], None]]}, "empty cells in column map found"),
        ({"map": [LISTS[0][:5], [*LISTS[1], 1.0], LISTS[2]]}, "5 numbers found for image 4, exp"),
        (
            {"label": CLASSES},
            "height, image_id, label, map, width found, expected image_id",
        ),
        ({"image_id": [4, 2, 4]}, "2 maps of image 4 found, expected one; if each is of another"),
    ],
)
def test_a_parquet_file_of_something_else_is_refused(columns, words, tmp_path):
    assert message(parquet(tmp_path, **columns)).startswith(words)


@pytest.mark.parametrize("write", [npz, parquet])
def test_damaged_files_are_refused_wherever_they_are_cut(write, tmp_path):
    path = write(tmp_path)
    whole = path.read_bytes()
    for stop in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:stop])
        assert message(path).startswith(f"cannot be read as {path.suffix[1:]} of plain numbers (")


def test_a_changed_byte_of_an_array_is_found(tmp_path):
    path = tmp_path / "seed0.npz"
    np.savez(path, image_ids=IDS, maps=MAPS)
    whole = bytearray(path.read_bytes())
    whole[whole.index(MAPS.tobytes()) + 5] ^= 1
    path.write_bytes(whole)
    assert "Bad CRC-32" in message(path)


def member(name, content):
    return f"{name}.npy", content


def as_npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def test_an_array_that_is_longer_than_it_says_is_refused(tmp_path):
    path = tmp_path / "seed0.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(*member("image_ids", as_npy(IDS)))
        archive.writestr(*member("maps", as_npy(MAPS) + b"more"))
    assert "maps is longer than its header says" in message(path)


def test_no_pickle_is_opened(tmp_path):
    class Payload:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    header = io.BytesIO()
    form = {"descr": "|O", "fortran_order": False, "shape": (3,)}
    np.lib.format.write_array_header_1_0(header, form)
    content = header.getvalue() + pickle.dumps(Payload())
    path = tmp_path / "seed0.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(*member("image_ids", as_npy(IDS)))
        archive.writestr(*member("maps", content))
    assert message(path).startswith("maps is of pickled objects")


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_small_file_that_unpacks_to_more_than_there_can_be_is_not_read(suffix, tmp_path):
    count = MOST + 1
    if suffix == ".npz":
        header = io.BytesIO()
        form = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 2, 3)}
        np.lib.format.write_array_header_1_0(header, form)
        path = tmp_path / "seed0.npz"
        with zipfile.ZipFile(path, "w") as archive:
            ids = header.getvalue().replace(b"2, 3)", b")    ")
            archive.writestr(*member("image_ids", ids.replace(b"<f4", b"<i8")))
            archive.writestr(*member("maps", header.getvalue()))
        count = 10**9
    else:
        ids, ones = np.arange(count), [[1.0] * 6] * count
        sides = {"height": [2] * count, "width": [3] * count}
        path = parquet(tmp_path, image_id=ids, map=ones, **sides)
    assert message(path).startswith(f"{count} maps found, expected 1 to {MOST}")


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    path = npz(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(*member("maps", as_npy(MAPS)))
    assert message(path).startswith("image_ids, maps, maps found, expected image_ids, maps")
