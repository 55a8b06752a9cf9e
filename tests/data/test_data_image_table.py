"""CSV lists as people write them: spaces, empty lines, quotes, splits."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from folders import classes, made, picture, pixels

from faithcam.core.errors import FaithcamError
from faithcam.data import prepare, subgroups
from faithcam.data.sources import folder
from faithcam.experiment import axes

pytestmark = pytest.mark.counts("cases")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a CSV beside images a.png to f.png."""
    for name in "abcdef":
        picture(tmp_path / f"{name}.png")

    def write(text):
        (tmp_path / "t.csv").write_bytes(text.encode())
        return tmp_path / "t.csv"

    return write


def names(path):
    return [(item.name, item.label) for item in folder.from_csv(path)]


def refused(path, *messages):
    with pytest.raises(FaithcamError) as error:
        folder.from_csv(path)
    for message in messages:
        assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,x\nb.png,y",
        "label, path\nx, a.png\ny, b.png\n",
        'Path , LABEL,"note"\r\n"a.png" ,x,\r\nb.png, "y","1, 2"\r\n',
        "\n\ufeff"[1:] + "\npath,label\n\n\na.png,x\n,\n  \nb.png,y\n,\n",
        "path,label\ra.png,x\rb.png,y\r",
        "path,label\na.png,x,,\nb.png,y,,",
    ],
)
def test_ways_to_write_the_same(write, text):
    assert names(write(text)) == [("a.png", "x"), ("b.png", "y")]


def test_lines_are_counted_as_an_editor_does(write):
    text = "\n\npath,label\n\na.png,x\n\n,\nnone.png,x\n\nb.png,\n"
    refused(write(text), "line 8: no such file none.png", "line 10: path or label is empty")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('path,label\n\n"a.png,x\nb.png,y\nc.png,x\n', 3),
        ('path,label\na.png,"x\nb.png,y\n"c.png",x\n', 2),
        ('path,label\na.png,x\n"b.png,y\n",x\n', 3),
        ('path,label\na.png,x\n"b.png,y', 3),
        ('path,label,note\na.png,x,"note\nb.png,y,"\n', 2),
        ('"path,label\na.png,x\n', 1),
        ('path,label\n"' + "a.png,x\n" * 20_000, 2),
    ],
)
def test_a_quote_that_is_never_closed_is_one_clear_line(write, text, line):
    refused(write(text), f't.csv: line {line}: a quote (") is not closed in its line')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,x,b.png,y\n", "line 2: 4 cells found, expected 2: put what holds"),
        ("path,label,Label\na.png,x,y\n", "columns ['label'] are there twice"),
        ("path,label\n" + "a" * 5000 + ".png,x\n", "line 2: no such file aaa"),
        ("path,label\n.,x\n", "line 2: no such file ."),
        ("", "columns ['label', 'path'] are missing, found []"),
        ("path,label\n,\n\n", "no rows below the header"),
    ],
)
def test_refused_rows(write, text, message):
    refused(write(text), message)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,label\na.png,é\n".encode("latin-1"), "codec can't decode byte 0xe9"),
        ("path,label\na.png,x\n".encode("utf-16"), "codec can't decode byte 0xff"),
        ("path,label\na.png,x\n".encode("utf-16-le"), "line 1 holds a NUL character"),
        (b"path,label\na.png,x\0\n", "line 2 holds a NUL character"),
    ],
)
def test_another_encoding_is_refused(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    refused(tmp_path / "t.csv", "t.csv: cannot be read (", words, "a CSV in UTF-8 with the columns")


def test_formats_that_are_not_read(write, tmp_path):
    (tmp_path / "s.HEIC").write_bytes(b"x")
    refused(write("path,label\ns.HEIC,x\n"), "line 2: s.HEIC: an image format that is not read")


def test_accents_written_in_two_ways(write, tmp_path):
    picture(tmp_path / "e\u0301.png")
    picture(tmp_path / "\xfc.png")
    lines = "path,label\n\xe9.png,\xe9\nu\u0308.png,e\u0301\n"
    assert names(write(lines)) == [("\xe9.png", "\xe9"), ("\xfc.png", "\xe9")]


def test_without_val_it_is_drawn_from_train_with_whole_groups(tmp_path):
    classes(tmp_path, 20)
    lines = ["path,label,split,group"]
    for i, file in enumerate(sorted(tmp_path.glob("*/*.png"))):
        name = f"{file.parent.name}/{file.name}"
        lines.append(f"{name},{file.parent.name},{('train', 'test')[i % 4 == 3]},p{i // 8}-{i % 4}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    source = made(tmp_path / "t.csv", val=0.3)
    splits = [row.split for row in source.rows]
    assert {split: splits.count(split) for split in splits} == {"train": 20, "val": 10, "test": 10}
    of_groups = {
        row.group: {r.split for r in source.rows if r.group == row.group} for row in source.rows
    }
    assert all(len(found) == 1 for found in of_groups.values())
    assert len(pixels(source)[0]) == 40


def test_one_path_under_two_labels_is_named(tmp_path, capsys):
    classes(tmp_path, 8)
    names = [file.relative_to(tmp_path) for file in sorted(tmp_path.glob("*/*.png"))]
    rows = [f"{name},{name.parent}" for name in names]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows, f"{names[0]},dog"]))
    definition = {"source": "folder", "path": str(tmp_path / "t.csv"), "size": 8}
    prepare.prepare("d", definition, 1, [], tmp_path / "out")
    said = capsys.readouterr().out
    assert "same pixels in two splits or classes: 1\n" in said
    assert re.search(
        rf"{re.escape(str(names[0]))} in \w+ \(cat\) = .+ \(dog\): contradictory", said
    )


def test_the_documented_lines_write_a_csv_of_folders_of_splits(tmp_path):
    for place in ("Training/glioma", "Training/no tumour", "Testing/glioma", "Testing/no tumour"):
        for i in range(10):
            picture(tmp_path / place / f"{i}, {i}.jpg")
    page = Path(__file__).parents[2] / "docs" / "data.md"
    (lines,) = re.findall(r"^```python\n(.+?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    exec(lines.replace("/data/my images", str(tmp_path)), {})
    source = made(tmp_path / "images.csv")
    splits = [row.split for row in source.rows]
    assert source.classes == ("glioma", "no tumour")
    assert {split: splits.count(split) for split in splits} == {"train": 16, "val": 4, "test": 20}
    assert all((row.split == "test") == row.name.startswith("Testing") for row in source.rows)


def test_without_test_nothing_is_drawn(tmp_path):
    classes(tmp_path, 4)
    files = sorted(tmp_path.glob("*/*.png"))
    lines = [
        f"{f.relative_to(tmp_path)},{f.parent.name},{('train', 'val')[i % 2]}"
        for i, f in enumerate(files)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *lines]))
    with pytest.raises(FaithcamError, match="none found for cat in test; dog in test"):
        made(tmp_path / "t.csv")


SEX = "path,label,Sex\na.png,x,F\nb.png,y,M\nc.png,x,\nd.png,y,F\ne.png,x,M\nf.png,y,F\n"


def test_images_are_in_the_groups_that_the_csv_says(write):
    definition = {"path": str(write(SEX)), "subgroups": ["sex"]}
    images = pa.table({"image_id": [0, 1, 2], "name": ["c.png", "a.png", "e.png"]})
    found = subgroups.fingerprint(subgroups.read(Path(definition["path"]), ["sex"]))
    table = subgroups.of_images(definition, images, found)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (0, "sex", "not given"), (1, "sex", "F"), (2, "sex", "M"),
    ]  # fmt: skip
    write(SEX.replace("c.png,x,", "c.png,x,F"))
    with pytest.raises(FaithcamError, match="changed since the run began"):
        subgroups.of_images(definition, images, found)


def test_subgroups_change_no_image(write):
    def fingerprint(text, *columns):
        definition = {"source": "folder", "path": str(write(text)), "subgroups": list(columns)}
        return prepare.fingerprint(definition)

    other = SEX.replace("c.png,x,", "c.png,x,F")
    assert len({fingerprint(SEX), fingerprint(other), fingerprint(SEX, "sex")}) == 1
    config = {"dataset_definitions": {"d": {"size": 8, "subgroups": ["sex"]}}}
    assert axes.images_definition(config, "d") == {"size": 8}


def test_subgroups_that_cannot_be(write, tmp_path):
    def refuses(path, message, *columns):
        with pytest.raises(FaithcamError, match=message):
            subgroups.read(path, columns)

    refuses(write(SEX), r"columns \['age'\], which subgroups names, are missing", "age", "sex")
    refuses(write(SEX.replace("path,label", "path,sex,label")), "or there twice", "sex")
    refuses(write(SEX), r"subgroups: \['Class'\] found, expected further columns", "Class")
    refuses(write(SEX), "name a column twice", "sex", "Sex")
    refuses(tmp_path, "a folder found, but subgroups .* are columns of a CSV", "sex")
    refuses(write(f"{SEX}a.png,x,M\n"), "line 8: a.png is listed with other values", "sex")
    many = "path,label,age\n" + "".join(f"{age}.png,x,{age}\n" for age in range(21))
    refuses(write(many), "column age has 21 values, expected 20 at most", "age")
