"""Folders as people have them: splits, kinds of files, hidden and system folders, links, names."""

import os
from pathlib import Path

import numpy as np
import pytest
from folders import classes, made, picture, pixels
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.data import prepare
from faithcam.data.dataset import open_dataset
from faithcam.data.sources import class_folders, folder, image_files
from faithcam.results import io as tables

pytestmark = pytest.mark.counts("cases")


def tree(root, *names, count=3):
    """Make folders of a few images each."""
    for name in names:
        for i in range(count):
            picture(root / name / f"{i}.png")
    return root


def refused(path, *messages):
    with pytest.raises(FaithcamError) as error:
        folder.from_folders(path)
    for message in messages:
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Training/a", "Training/b", "Testing/a", "Testing/b"], "Testing, Training are named"),
        (["train/a", "val/a", "test/a"], "test, train, val are named like splits"),
        (["TRAIN", "TEST"], "TEST, TRAIN are named like splits"),
        (["train/a", "valid/a"], "train, valid are named like splits"),
        (["test_set/a", "TrainData/a"], "TrainData, test_set are named like splits"),
        (["seg_train/a", "seg_test/a"], "seg_test, seg_train are named like splits"),
        (["fold1/a", "fold2/a"], "fold1, fold2 are named like splits"),
        (["a/train", "a/test", "b/train", "b/test"], "a/test, a/train, b/test, b/train are named"),
        (["cat", "dog", "test"], "folders test are named like splits"),
    ],
)
def test_splits_are_no_classes_and_no_patients(tmp_path, names, found):
    refused(tree(tmp_path, *names), found, "write a CSV with the columns path, label, split")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a/images", "a/masks", "b/images"], "a/images, a/masks, b/images are named like kinds"),
        (["images/a", "images/b"], "folders images are named like kinds of files"),
        (["images", "labels"], "folders images, labels are named like kinds of files"),
        (["a/p1/images", "a/p1/lung masks", "b"], "a/p1/lung masks are named like kinds of files"),
        (["a/Ground_Truth", "b"], "folders a/Ground_Truth are named like kinds of files"),
    ],
)
def test_kinds_of_files_are_no_classes_and_no_patients(tmp_path, names, found):
    refused(tree(tmp_path, *names), found, "masks beside them as NAME_mask.png")


def test_names_that_only_look_like_it(tmp_path):
    names = ["with_mask/p 1/images", "contest/test-tube rack", "valley", "imago", "attested"]
    items = folder.from_folders(tree(tmp_path, *names))
    assert len(items) == 15
    assert {item.group for item in items if item.label == "with_mask"} == {"p 1"}


def test_hidden_and_system_folders_are_left_out_at_any_depth(tmp_path):
    classes(tmp_path)
    before = [item.name for item in folder.from_folders(tmp_path)]
    for place in (".", "cat", "cat/p1", "dog"):
        for name in (
            ".ipynb_checkpoints", ".Trash-1000/files", "@eaDir/a.png", "__MACOSX", "$RECYCLE.BIN",
            "System Volume Information", "lost+found", "#recycle",
        ):  # fmt: skip
            tree(tmp_path / place, name, count=1)
    assert [item.name for item in folder.from_folders(tmp_path)] == before


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    tree(tmp_path, "a/p1", "a/p2", "b", ".hidden")
    real = os.scandir

    def scandir(path):
        if Path(path).name in ("p2", ".hidden"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refused(tmp_path, f"{tmp_path}/a/p2: this folder cannot be listed (Permission denied)")


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("target", [".", "..", "../..", "../dog", "p", "../../.."])
def test_a_folder_reached_twice_is_an_error_in_bounded_time(tmp_path, target):
    classes(tmp_path / "i")
    tree(tmp_path / "i" / "cat", "p")
    for name in ("loop", "loop2"):
        (tmp_path / "i" / "cat" / name).symlink_to(target)
    refused(tmp_path / "i", "the same folder as", "expected each folder once")
    if target.startswith(".") and target != "../dog":  # found at once, however much is up there
        with pytest.raises(FaithcamError, match=r"/i/cat/loop2?: the same folder as"):
            folder.from_folders(tmp_path / "i")


def test_links_to_nothing_are_named(tmp_path):
    classes(tmp_path)
    (tmp_path / "mouse").symlink_to("/no such disk/mouse")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "cat" / ".#lock").symlink_to("nobody@nowhere")
    (tmp_path / "cat" / ".self").symlink_to(".self")
    one, two = f"{tmp_path}/cat/self.png (Too many", f"{tmp_path}/mouse (a link to nothing)"
    with pytest.raises(
        FaithcamError, match=r"cannot be opened: [^;]+; [^;]+; mend or move"
    ) as error:
        folder.from_folders(tmp_path)
    assert one in str(error.value)
    assert two in str(error.value)


@pytest.mark.counts("attacks")
def test_pipes_and_sockets_are_not_waited_for(tmp_path):
    os.mkfifo(classes(tmp_path) / "cat" / "pipe.png")
    assert len(folder.from_folders(tmp_path)) == 12


def test_images_beside_the_class_folders_are_named(tmp_path):
    picture(classes(tmp_path) / "overview.png")
    (tmp_path / "readme.txt").write_text("no image")
    refused(tmp_path, "images beside the class folders: overview.png; move each")


@pytest.mark.parametrize("suffix", ["webp", "gif", "jfif", "jp2", "JPE"])
def test_further_formats_are_read(tmp_path, suffix):
    values = np.full((8, 8), 120, np.uint8)
    kind = {"jfif": "jpeg", "JPE": "jpeg"}.get(suffix)
    file = picture(classes(tmp_path) / "cat" / f"x.{suffix}", values, format=kind)
    assert f"cat/x.{suffix}" in {item.name for item in folder.from_folders(tmp_path)}
    actual = np.asarray(image_files.read_image(file).convert("L"), int)
    assert np.abs(actual - 120).max() <= 2


def test_every_suffix_is_read_or_refused(tmp_path):
    assert not image_files.SUFFIXES & image_files.UNREAD
    readable = {suffix for suffix, kind in Image.registered_extensions().items()}
    assert image_files.SUFFIXES - {".dcm", ".dicom"} <= readable


def test_formats_that_are_not_read_and_files_that_are_no_images_are_counted(tmp_path):
    classes(tmp_path)
    for name in ("a.HEIC", "b.heic", "c.nii.gz", "d.x.nii", "e.txt", "f.tar.gz", "g"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    refused(tmp_path, "not read: .heic 2, .nii 1, .nii.gz 1; convert them to PNG, or move them")
    kinds = (
        "3 files are no images by name or content and are left out (.tar.gz 1, .txt 1, no suffix 1)"
    )
    assert folder.listing(tmp_path).note() == f"{tmp_path}: {kinds}"


def test_masks_in_capitals_are_masks(tmp_path):
    picture(classes(tmp_path) / "cat" / "a.png")
    picture(tmp_path / "cat" / "a_Mask_2.PNG")
    assert [len(item.masks) for item in folder.from_folders(tmp_path)].count(1) == 1


def test_names_of_any_bytes_are_prepared(tmp_path):
    latin = os.fsdecode("Mäuse".encode("latin-1"))
    classes(tmp_path / "i", names=["\u732b", latin, "a\u0308"])
    tree(tmp_path / "i" / latin, os.fsdecode(b"\xff"))
    definition = {"source": "folder", "path": str(tmp_path / "i"), "size": 8}
    prepare.prepare("d", definition, 1, [], tmp_path / "out")
    assert open_dataset(tmp_path / "out").classes == ("M\\xe4use", "\xe4", "\u732b")
    table = tables.read(tmp_path / "out" / "table.parquet")
    assert "M\\xe4use/\\xff/0.png" in table["name"].to_pylist()


def test_errors_about_names_of_any_bytes_can_be_written(tmp_path):
    name = os.fsdecode(b"\xff")
    classes(tmp_path, names=["cat", name])
    (tmp_path / name / "broken.png").write_bytes(b"")
    (tmp_path / "empty" / name).mkdir(parents=True)
    with pytest.raises(FaithcamError) as error:
        folder.from_folders(tmp_path)
    str(error.value).encode()
    picture(tmp_path / "empty" / name / "a.png")
    with pytest.raises(FaithcamError) as error:
        pixels(made(tmp_path, val=0.2))
    str(error.value).encode()


def test_systems_are_written_in_small_letters():
    assert {name.casefold() for name in class_folders.SYSTEM} == class_folders.SYSTEM
