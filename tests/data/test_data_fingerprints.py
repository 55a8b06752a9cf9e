"""Fingerprints of a user's images: what is read of them counts, and nothing else."""

import os

import numpy as np
import pytest
from folders import classes, picture

from faithcam.core.errors import FaithcamError
from faithcam.data import fingerprints, prepare

pytestmark = pytest.mark.counts("cases")


def test_fingerprint_of_a_folder_changes_with_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "blank [1].png"
    file.write_bytes(b"1")
    before = fingerprints.of_folder(tmp_path)
    assert fingerprints.of_folder(tmp_path) == before
    file.write_bytes(b"12")
    changed = fingerprints.of_folder(tmp_path)
    (tmp_path / "a" / "new.png").write_bytes(b"")
    assert len({before, changed, fingerprints.of_folder(tmp_path)}) == 3


def test_fingerprint_of_a_csv_covers_the_files_it_names(tmp_path):
    table, image = tmp_path / "t.csv", tmp_path / "i.png"
    table.write_text("path,label,mask\ni.png,a,\ngone.png,b,m.png\n")
    prints = [fingerprints.of_folder(table)]
    image.write_bytes(b"1")
    prints.append(fingerprints.of_folder(table))
    (tmp_path / "m.png").write_bytes(b"1")
    prints.append(fingerprints.of_folder(table))
    (tmp_path / "other.png").write_bytes(b"1")
    assert len(set(prints)) == 3
    assert fingerprints.of_folder(table) == prints[-1]


@pytest.mark.parametrize("separator", [",", ", ", " , ", "\t, "])
def test_a_csv_is_watched_as_it_is_read(tmp_path, separator):
    files = [picture(tmp_path / f"{name}.png") for name in ("a, b", "c", "m")]
    rows = [("label", "path", "mask"), ("x", '"a, b.png"', "m.png"), ("y", "c.png", "")]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(separator.join(row) for row in rows))
    prints = [prepare.fingerprint({"source": "folder", "path": str(table)})]
    for file in files:
        picture(file, np.zeros((9, 9), np.uint8))
        prints.append(fingerprints.of_folder(table))
        file.unlink()
        prints.append(fingerprints.of_folder(table))
    assert len(set(prints)) == 7


def test_what_a_csv_says_besides_changes_nothing(tmp_path):
    picture(tmp_path / "a.png")
    table = tmp_path / "t.csv"
    prints = []
    for text in (
        "path,label\na.png,x\n",
        "label,comment,path\n\n,,\n x ,seen,a.png",
        "path,label\na.png,y\n",
        "path,label,group\na.png,x,p\n",
        "path,label,split\na.png,x,test\n",
    ):
        table.write_text(text)
        prints.append(fingerprints.of_folder(table))
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", ".DS_Store", "._a.png", "@eaDir/a.png/t.jpg", "notes.txt"]
)
def test_files_that_are_no_images_change_nothing(tmp_path, name):
    classes(tmp_path)
    before = fingerprints.of_folder(tmp_path)
    for folder in (tmp_path, tmp_path / "cat"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert fingerprints.of_folder(tmp_path) == before


def test_an_image_that_moves_to_another_class_or_becomes_a_mask_is_noticed(tmp_path):
    classes(tmp_path)
    prints, file = [fingerprints.of_folder(tmp_path)], next(tmp_path.glob("cat/*.png"))
    for name in ("dog/moved.png", "dog/dog (0) [x]_mask.png", "cat/patient/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        file = file.rename(tmp_path / name)
        prints.append(fingerprints.of_folder(tmp_path))
    assert len(set(prints)) == 4


def test_names_of_any_bytes_have_fingerprints(tmp_path):
    classes(tmp_path)
    before = fingerprints.of_folder(tmp_path)
    picture(tmp_path / "cat" / os.fsdecode(b"\xe9.png"))
    assert fingerprints.of_folder(tmp_path) != before


def test_fingerprint_of_what_is_not_there():
    with pytest.raises(FaithcamError, match="nowhere: no such file or folder"):
        fingerprints.of_folder("nowhere")


def test_what_is_left_out_is_known_before_the_run(tmp_path, capsys):
    classes(tmp_path / "mine")
    classes(tmp_path / "whole")
    (tmp_path / "mine" / "cat" / "scan.txt").write_bytes(b"x")
    definitions = {
        name: {"source": "folder", "path": str(tmp_path / name)} for name in ("mine", "whole")
    }
    definitions |= {"other": {"source": "phantom"}, "unused": {"source": "folder", "path": "no"}}
    config = {"datasets": ["mine", "other", "whole"], "dataset_definitions": definitions}
    (note,) = prepare.left_out(config)
    assert note.startswith(f"data set mine: {tmp_path}/mine: 1 files are no images")
    prepare.prepare("mine", definitions["mine"] | {"size": 8}, 1, [], tmp_path / "prepared")
    assert note.removeprefix("data set mine: ") in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, 10, 5000, 3_000_000])
def test_another_content_is_noticed_though_its_file_is_older(tmp_path, size):
    file = tmp_path / "w.pth"
    file.write_bytes(bytes(size))
    before = fingerprints.of_content(file)
    os.utime(file, (0, 0))
    assert fingerprints.of_content(file) == before
    file.write_bytes(bytes(size + 1))
    os.utime(file, (0, 0))
    assert fingerprints.of_content(file) != before
    file.write_bytes(bytes(size) + b"1")
    os.utime(file, (0, 0))
    assert fingerprints.of_content(file) != before
    if size:
        for place in (0, size - 1):
            content = bytearray(size)
            content[place] = 1
            file.write_bytes(content)
            assert fingerprints.of_content(file) != before
