"""Folders of images: splits, and what is refused."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from folders import classes, made, picture, pixels
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.data import items as image_items
from faithcam.data import prepare
from faithcam.data.dataset import SPLITS
from faithcam.data.sources import folder

pytestmark = pytest.mark.counts("cases")


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


@pytest.mark.parametrize(
    ("name", "other"), [("cat", "Cat"), ("big cat", "Big_Cat"), ("cat", "c\uff41t")]
)
def test_one_class_in_two_writings(tmp_path, name, other):
    lines = rows(tmp_path)
    for i, line in enumerate(lines):
        line["label"] = (name, other, "dog")[i % 3]
    first, second = sorted([name, other])
    file = table(tmp_path / "t.csv", lines, ("path", "label"))
    refused(file, f"classes {first!r} and {second!r} differ by case, spaces or _ alone")


def test_classes_that_differ_by_a_sign_are_two(tmp_path):
    lines = rows(tmp_path)
    for line in lines:
        line["label"] = "HER2+" if line["label"] == "cat" else "HER2-"
    assert made(table(tmp_path / "t.csv", lines, ("path", "label"))).classes == ("HER2+", "HER2-")


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


def test_links_and_hidden_files(tmp_path):
    classes(tmp_path / "real")
    (tmp_path / "linked").mkdir()
    for name in ("cat", "dog"):
        os.symlink(tmp_path / "real" / name, tmp_path / "linked" / name)
    (tmp_path / "real" / "cat" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "real" / "cat" / "._cat (1) [x].png").write_bytes(b"x")
    assert len(made(tmp_path / "linked").rows) == 12
    assert "2 files are no images" in folder.left_out({"path": str(tmp_path / "linked")})
