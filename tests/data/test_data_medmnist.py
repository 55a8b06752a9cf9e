"""MedMNIST: downloads from a server on 127.0.0.1, broken npz files, the real BreastMNIST."""

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from npz_files import COUNTS, GREY, arrays, npz, read
from served import listening

from faithcam.core.errors import FaithcamError
from faithcam.data import medmnist, prepare, store
from faithcam.data.dataset import open_dataset, to_tensor
from faithcam.data.fetch import images as fetching
from faithcam.data.sources import npz as reading
from faithcam.results import io as tables

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "breastmnist"


needs_breastmnist = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the real BreastMNIST is not at {SHARED}"
)


pytestmark = pytest.mark.usefixtures("few_images")


def test_twelve_flags_in_four_sizes_and_six_of_volumes_in_two():
    sizes = {name: len(spec.md5) for name, spec in medmnist.FLAGS.items()}
    assert sizes == {name: 2 if name.endswith("3d") else 4 for name in sizes}
    assert sorted(sizes.values()) == [2] * 6 + [4] * 12
    digests = [digest for spec in medmnist.FLAGS.values() for digest in spec.md5]
    assert len(set(digests)) == 12 * 4 + 6 * 2
    assert {name for name, spec in medmnist.FLAGS.items() if spec.volumes} == {
        name for name in sizes if name.endswith("3d")
    }
    assert [name for name, spec in medmnist.FLAGS.items() if spec.multi_label] == ["chestmnist"]
    assert all(len(digest) == 32 for digest in digests)
    assert [len(medmnist.FLAGS[f].classes) for f in ("pathmnist", "octmnist", "organsmnist")] == [
        9, 4, 11,
    ]  # fmt: skip


def test_addresses():
    base = "https://zenodo.org/records/10519652/files"
    assert fetching.url("octmnist", 28) == f"{base}/octmnist.npz?download=1"
    assert fetching.url("octmnist", 224) == f"{base}/octmnist_224.npz?download=1"
    assert medmnist.md5("octmnist", 224) == "abc493b6d529d5de7569faaef2773ba3"
    assert fetching.url("nodulemnist3d", 64) == f"{base}/nodulemnist3d_64.npz?download=1"
    assert medmnist.md5("nodulemnist3d", 64) == "c47c5b7d457bf6332200d2ea6d64ecd8"


@pytest.mark.parametrize(
    ("flag", "size", "message"),
    [
        ("brestmnist", 64, "'brestmnist' is no data set of MedMNIST; expected one of pathmnist"),
        ("organmnist3d", 224, r"organmnist3d: size 224 found, expected one of \(28, 64\)"),
        ("breastmnist", 32, r"breastmnist: size 32 found, expected one of \(28, 64, 128, 224\)"),
    ],
)
def test_what_is_refused(flag, size, message):
    for function in (medmnist.check, fetching.url, medmnist.md5):
        with pytest.raises(FaithcamError, match=message):
            function(flag, size)


@contextmanager
def server(*bodies):
    """Answer request i with bodies[i] (the last one again and again); None: 500, a tuple: cut."""
    asked = []

    def answer(request):
        body = bodies[min(len(asked), len(bodies) - 1)]
        asked.append(request.path)
        if body is None:
            request.send_error(500)
            return
        content, promised = body if isinstance(body, tuple) else (body, len(body))
        request.send_response(200)
        request.send_header("Content-Length", str(promised))
        request.end_headers()
        request.wfile.write(content)

    with listening(answer) as address:
        yield address, asked


@pytest.fixture
def good(monkeypatch):
    """Bytes that the table takes for BreastMNIST at 28 px."""
    content = bytes(range(256)) * 40
    spec = medmnist.FLAGS["breastmnist"]
    md5 = (hashlib.md5(content).hexdigest(), *spec.md5[1:])
    monkeypatch.setitem(medmnist.FLAGS, "breastmnist", replace(spec, md5=md5))
    return content


def download(folder, base):
    return fetching.download_medmnist("breastmnist", 28, folder, base, pause=0)


def test_a_good_download(tmp_path, good):
    with server(good) as (base, asked):
        path = download(tmp_path / "new", base)
    assert path == tmp_path / "new" / "breastmnist.npz"
    assert path.read_bytes() == good
    assert asked == ["/breastmnist.npz?download=1"]


def test_a_whole_file_needs_no_network(tmp_path, good, capsys):
    (tmp_path / "breastmnist.npz").write_bytes(good)
    assert download(tmp_path, "http://127.0.0.1:1").read_bytes() == good
    assert "already there" in capsys.readouterr().out


@pytest.mark.parametrize("problem", ["wrong", "truncated", "failing"])
def test_a_bad_answer_is_said_and_asked_again(tmp_path, good, capsys, problem):
    bad = {"wrong": b"x" + good, "truncated": (good[:99], len(good)), "failing": None}[problem]
    with server(bad, good) as (base, asked):
        path = download(tmp_path, base)
    assert path.read_bytes() == good
    assert len(asked) == 2
    assert "trying again" in capsys.readouterr().out


@pytest.mark.parametrize("problem", ["wrong", "truncated", "failing", "down"])
def test_after_three_bad_answers_an_error_and_no_file(tmp_path, good, problem):
    bad = {"wrong": b"x", "truncated": (good[:99], len(good))}.get(problem)
    with server(bad) as (base, asked):
        base = "http://127.0.0.1:1" if problem == "down" else base
        with pytest.raises(FaithcamError, match=r"breastmnist\.npz.* 3 attempts failed: .* put"):
            download(tmp_path, base)
    assert len(asked) == (0 if problem == "down" else 3)
    assert list(tmp_path.iterdir()) == []


def wrong(content):
    """Where a file of the wrong content is set aside."""
    return f"breastmnist.npz.wrong-{hashlib.md5(content).hexdigest()[:12]}"


def test_a_wrong_file_is_set_aside_and_fetched_again(tmp_path, good, capsys):
    with server(good) as (base, _):
        for content in (good[:100], good[:200]):
            (tmp_path / "breastmnist.npz").write_bytes(content)
            assert download(tmp_path, base).read_bytes() == good
            assert f"expected: it is now {tmp_path / wrong(content)}" in capsys.readouterr().out
    for content in (good[:100], good[:200]):
        assert (tmp_path / wrong(content)).read_bytes() == content


def test_a_wrong_file_is_no_file_without_network(tmp_path, good):
    (tmp_path / "breastmnist.npz").write_bytes(good[:100])
    with pytest.raises(FaithcamError, match="3 attempts failed"):
        download(tmp_path, "http://127.0.0.1:1")
    assert [file.name for file in tmp_path.iterdir()] == [wrong(good[:100])]


def test_the_record_names_file_and_md5(tmp_path, good):
    (tmp_path / "medmnist").mkdir()
    (tmp_path / "medmnist" / "breastmnist.npz").write_bytes(good)
    definition = GREY | {"source": "medmnist"}
    fetching.record(definition, str(tmp_path), tmp_path / "out" / "download.json")
    assert json.loads((tmp_path / "out" / "download.json").read_text()) == {
        "file": str(tmp_path / "medmnist" / "breastmnist.npz"),
        "md5": hashlib.md5(good).hexdigest(),
    }


@pytest.mark.parametrize("there", [False, True])
def test_a_wrong_file_is_set_aside_its_record_goes_and_the_next_run_downloads_it(tmp_path, there):
    definition, file = GREY | {"source": "medmnist"}, tmp_path / "breastmnist.npz"
    record = tmp_path / "download.json"
    record.write_text("{}")
    found, moved, left = "no file", "", []
    if there:
        npz(file, **arrays())
        digest = hashlib.md5(file.read_bytes()).hexdigest()
        left = [f"{file}.wrong-{digest[:12]}"]
        found, moved = f"MD5 {digest}", f"it is now {left[0]}; "
    message = f"{file}: {found} found, MD5 750601b1f35ba3300ea97c75c52ff8f6 expected; {moved}run"
    with pytest.raises(FaithcamError, match=re.escape(message)):
        prepare.prepare("b", definition, 1, [file], tmp_path / "out", [str(record)])
    assert [str(path) for path in tmp_path.iterdir()] == left


def volumes(dtype=np.uint8, **other):
    random, content = np.random.default_rng(1), {}
    for split, n in COUNTS.items():
        content[f"{split}_images"] = random.integers(0, 256, (n, 28, 28, 28)).astype(dtype)
        content[f"{split}_labels"] = np.arange(n, dtype=np.uint8)[:, None] % 2
    return content | other


def test_volumes_keep_their_slices_and_masks(tmp_path, monkeypatch):
    spec = replace(medmnist.FLAGS["nodulemnist3d"], images=tuple(COUNTS.values()))
    monkeypatch.setitem(medmnist.FLAGS, "nodulemnist3d", spec)
    definition = {"flag": "nodulemnist3d", "size": 28}
    content = volumes()
    masks = np.zeros((2, 28, 28, 28), bool)
    masks[1, 3, 4, 5] = True
    files = npz(tmp_path / "a.npz", **content), npz(tmp_path / "m.npz", val_masks=masks)
    source = reading.source(definition, *files)
    assert (source.slices, source.multi_label) == (28, False)
    manifest = store.write("v", "medmnist", source, tmp_path / "data")
    assert (manifest["slices"], "multi_label" in manifest) == (28, False)
    dataset = open_dataset(tmp_path / "data")
    stacked = np.concatenate([content[f"{split}_images"] for split in COUNTS])
    assert np.array_equal(dataset.images, stacked[..., None])
    assert dataset.masks[4:6].sum((1, 2, 3)).tolist() == [0, 1]
    assert dataset.masks[5, 3, 4, 5] == 1
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert tuple(to_tensor(dataset.images[[0, 1]]).shape) == (2, 28, 3, 28, 28)
    flat = npz(tmp_path / "b.npz", **volumes(test_images=np.zeros((3, 28, 28), np.uint8)))
    with pytest.raises(FaithcamError, match=r"test_images is uint8 \(3, 28, 28\); expected uint8"):
        read(definition, flat)


CHEST = {"flag": "chestmnist", "size": 28}


def multi_label(**other):
    content = arrays()
    for split, n in COUNTS.items():
        labels = np.zeros((n, 14), np.uint8)
        labels[0, [2, 5]] = 1
        labels[1, 13] = 1
        content[f"{split}_labels"] = labels
    return content | other


@pytest.fixture
def few_chests(monkeypatch):
    spec = replace(medmnist.FLAGS["chestmnist"], images=tuple(COUNTS.values()))
    monkeypatch.setitem(medmnist.FLAGS, "chestmnist", spec)


def test_several_labels_are_kept(tmp_path, few_chests, capsys):
    file = npz(tmp_path / "a.npz", **multi_label())
    manifest = store.write("c", "medmnist", reading.source(CHEST, file), tmp_path / "data")
    assert manifest["multi_label"]
    assert manifest["splits"]["train"]["images"] == 4
    assert manifest["splits"]["train"]["per_class"] == [0, 0, 1, 0, 0, 1, *[0] * 7, 1]
    dataset = open_dataset(tmp_path / "data")
    assert dataset.multi_label
    assert dataset.labels.shape == (9, 14)
    assert [np.flatnonzero(row).tolist() for row in dataset.labels[:3]] == [[2, 5], [13], []]
    stored = tables.read(tmp_path / "data" / "table.parquet")
    assert stored["labels"].to_pylist()[:3] == [[2, 5], [13], []]
    prepare._report(manifest)
    assert "train: 4 images: atelectasis 0 (0%)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 1), np.uint8), r"test_labels is uint8 \(3, 1\); expected .* \(n, 14\)"),
        (np.full((3, 14), 0.5), "test_labels is float64"),
        (np.full((3, 14), 2), r"test_labels holds \[2\]; expected 0 and 1"),
    ],
)
def test_labels_that_are_not_0_or_1_for_each_class_are_an_error(
    tmp_path, few_chests, labels, message
):
    file = npz(tmp_path / "a.npz", **multi_label(test_labels=labels))
    with pytest.raises(FaithcamError, match=message):
        reading.source(CHEST, file)


@needs_breastmnist
def test_breastmnist_and_its_leak(tmp_path, capsys, monkeypatch):
    monkeypatch.undo()
    definition = {
        "source": "medmnist",
        "flag": "breastmnist",
        "size": 64,
        "masks": str(SHARED / "breastmnist_masks_trainval_64.npz"),
    }
    files = [SHARED / "breastmnist_64.npz", Path(definition["masks"])]
    prepare.prepare("breastmnist", definition, 1, files, tmp_path)
    said = capsys.readouterr().out
    assert "train: 546 images: malignant 147 (27%); normal, benign 399 (73%)" in said
    pair = "train[115] in train (malignant) = test[76] in test (normal, benign)"
    assert f"{pair}: contradictory labels" in said
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [(leak["a"], leak["b"]) for leak in manifest["leaks"]] == [("train[115]", "test[76]")]

    dataset = open_dataset(tmp_path)
    with np.load(files[0]) as images, np.load(files[1]) as masks:
        assert np.array_equal(dataset.images[624:, :, :, 0], images["test_images"])
        assert np.array_equal(dataset.labels[:546], images["train_labels"][:, 0])
        assert np.array_equal(dataset.masks[546:624], masks["val_masks"])
    assert not dataset.masks[624:].any()
    table = tables.read(tmp_path / "table.parquet")
    assert not table["has_mask"][337].as_py()
    assert table["name"][624 + 76].as_py() == "test[76]"


@needs_breastmnist
def test_the_28_px_file_has_its_checksum():
    reading.verify("breastmnist", 28, SHARED / "breastmnist.npz")
