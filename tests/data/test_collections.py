"""The published collections: small archives of their layouts, served from this machine."""

import io
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from archives import SMALL, ham_lines, picture, zipped
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.data import definitions
from faithcam.data.collections import breakhis, covid, crc
from faithcam.data.dataset import SPLITS
from faithcam.experiment import config as experiment
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.registry import METRICS
from faithcam.results.checksums import checksum

ROOT = Path(__file__).parents[2]


SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def test_the_files_of_the_folder_are_the_sources():
    files = (ROOT / "workflow/scripts/faithcam/data/collections").glob("[!_]*.py")
    assert list(definitions.COLLECTIONS) == sorted(file.stem for file in files)
    assert {"breakhis", "covid", "crc", "ham10000"} <= set(definitions.COLLECTIONS)


def test_they_are_known_without_torch():
    code = "import sys; from faithcam.data import definitions; sys.exit('torch' in sys.modules)"
    path = {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    assert subprocess.run([sys.executable, "-c", code], env=path, check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "images"),
    [("crc", 107_180), ("ham10000", 10_015), ("breakhis", 7_909), ("covid", 21_165)],
)
def test_the_published_numbers_of_images(name, images):
    counts = definitions.COLLECTIONS[name].counts({})
    assert sum(n for labels in counts.values() for n in labels.values()) == images
    assert sum(definitions.split_images({"source": name}).values()) == images


@pytest.mark.parametrize(("factor", "images"), [(40, 1995), (100, 2081), (200, 2013), (400, 1820)])
def test_the_published_numbers_of_each_magnification(factor, images):
    counts = breakhis.counts({"magnifications": [factor]})
    assert sum(counts[""].values()) == images


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("mine", "import nothing_like_it\n", "mine.py: cannot be imported .*nothing_like_it"),
        ("mine", "COLLECTION = (\n", "mine.py: cannot be imported .SyntaxError"),
        ("mine", "collection = 3\n", "mine.py: COLLECTION is missing, expected Collection"),
        (
            "folder",
            "from faithcam.data.collections.covid import COLLECTION\n",
            "folder.py: folder is already a source of images",
        ),
    ],
)
def test_a_file_that_declares_no_collection_is_named(tmp_path, monkeypatch, file, text, words):
    package = tmp_path / f"collections_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / f"{file}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FaithcamError, match=words):
        definitions.published(package.name)


@pytest.mark.parametrize("masks", [True, False])
def test_metrics_that_need_masks_ask_the_collection(monkeypatch, masks):
    mine = replace(covid.COLLECTION, masks=masks)
    monkeypatch.setitem(definitions.COLLECTIONS, "mine", mine)
    config = {
        "dataset_definitions": {"mine": {"source": "mine", "size": 64}},
        "methods": ["gradcam"],
        "controls": [],
        "heads": ["gap"],
    }
    network = NetworkSpec.of(config, "mine", "vgg_small", "gap")
    able, why = METRICS["localisation"].supports(network)
    assert (able, why) == (masks, "" if masks else "needs lesion masks")


def test_every_checksum_is_one_and_what_the_user_brings_is_explained():
    for actual in definitions.COLLECTIONS.values():
        for file in actual.files:
            assert file.url or file.bring
            assert not file.md5 or len(file.md5) == 32 == len(
                file.md5.strip(" ghijklmnopqrstuvwxyz")
            )


@pytest.mark.parametrize("name", ["crc", "covid", "ham10000", "breakhis"])
def test_splits_are_as_large_as_was_planned(make, name):
    served = make(name)
    served.bring()
    served.fetch()
    dataset = served.prepare()
    planned = definitions.split_images({"source": name, "size": 8})
    actual = {split: len(dataset.split(split)) for split in SPLITS}
    if definitions.is_exact({"source": name}):
        assert actual == planned
    else:
        for split in SPLITS:
            assert abs(actual[split] - planned[split]) <= 0.1 * sum(planned.values()) + 7


def test_crc_has_a_test_of_its_own(make):
    served = make("crc")
    assert [file["algorithm"] for file in served.fetch()] == ["md5", "md5"]
    dataset = served.prepare()
    assert dataset.classes == tuple(crc.IMAGES[""])
    assert dataset.channels == 3
    table = served.table()
    assert set(table[table.split == "test"].name.str[-8:-6]) == {"50"}
    assert Counter(table.split) == {"train": 72, "val": 18, "test": 36}
    # pixels, labels and names belong together
    row = table[table.name == "LYM/LYM-0003.tif"].iloc[0]
    assert dataset.classes[row.label] == "LYM"
    image = Image.open(io.BytesIO(picture(303, "tiff"))).resize((8, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(dataset.images[row.image_id], np.asarray(image))


def test_ham10000_keeps_lesions_together(make):
    served = make("ham10000")
    served.fetch()
    dataset = served.prepare()
    assert dataset.classes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    table = served.table()
    assert table.groupby("group").split.nunique().eq(1).all()
    assert table.groupby("group").size().eq(2).all()
    labels = {line["image_id"]: line["dx"] for line in ham_lines()}
    assert [dataset.classes[i] for i in table.label] == [labels[name] for name in table.name]


def test_breakhis_keeps_cases_together_over_slides_and_magnifications(make):
    served = make("breakhis")
    served.fetch()
    served.prepare()
    table = served.table()
    assert table.groupby("group").split.nunique().eq(1).all()
    assert table.groupby("group").size().eq(2 * 4).all()
    assert set(table.group.str.fullmatch(r"14-1?1\d\d|14-10\d")) == {True}


@pytest.mark.parametrize("factors", [[40], [100, 400]])
def test_breakhis_takes_the_chosen_magnifications(make, factors):
    served = make("breakhis")
    served.fetch()
    served.prepare(magnifications=factors)
    table = served.table()
    assert {int(name.split("-")[3]) for name in table.name} == set(factors)
    assert len(table) == 2 * 2 * SMALL * len(factors)


def test_covid_is_what_the_user_brought_without_masks(make):
    served = make("covid")
    served.bring()
    (file,) = served.fetch()
    assert file["checksum"] == checksum(Path(file["file"]), "sha256")
    dataset = served.prepare()
    assert served.asked == []
    assert dataset.classes == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    assert dataset.channels == 1
    assert len(dataset.images) == 4 * SMALL
    assert not dataset.masks[:].any()


def config(**definition):
    over = {
        "datasets": ["x"],
        "dataset_definitions": {"x": {"size": 64} | definition},
        "explained_images": 9,
    }
    return experiment.merged(experiment.read([ROOT / "config.yaml"]), over)


@pytest.mark.parametrize("name", ["breakhis", "covid", "crc", "ham10000"])
def test_one_line_in_the_config_is_a_data_set(name):
    experiment.validate(config(source=name), SCHEMA)


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (
            {"source": "crcs"},
            "'crcs' found, expected one of: phantom, ct_phantom, medmnist, folder, breakhis",
        ),
        ({"source": "crc", "test": 0.2}, "x.test: unknown key"),
        ({"source": "crc", "magnifications": [40]}, "x.magnifications: unknown key"),
        ({"source": "breakhis", "magnifications": [50]}, "x.magnifications.0: 50 found, expected"),
        ({"source": "covid", "path": "x"}, "x.path: unknown key"),
        ({"source": "crc", "explained_images": 7181}, "data set x has 7180 test images"),
    ],
)
def test_what_a_collection_cannot_have_is_named(definition, words):
    with pytest.raises(FaithcamError, match=words.replace("[", r"\[")):
        experiment.validate(config(**definition), SCHEMA)


def test_a_collection_of_ones_own_is_one_file_and_one_line(tmp_path):
    """A new file in a copy of the package is a source, with its own keys, and is prepared."""
    scripts = tmp_path / "scripts"
    shutil.copytree(
        ROOT / "workflow" / "scripts" / "faithcam",
        scripts / "faithcam",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (scripts / "faithcam/data/collections/mine.py").write_text(
        "from faithcam.data.collection import Collection, File, of_labels\n"
        "from faithcam.data.items import Item, files_below\n"
        "def items(places, definition):\n"
        "    files = files_below(places['m.zip'], '.png')\n"
        "    return [Item(file, file.name, file.parent.name, file.name) for file in files]\n"
        "COLLECTION = Collection('Mine', (File('m.zip', bring='draw it'),), 1,"
        " of_labels(cat=8, dog=9), items, options={'colour': {'type': 'string'}})\n"
    )
    members = {
        f"{label}/{i}{label}.png": picture(i, "png", colour=False)
        for label, many in (("cat", 8), ("dog", 9))
        for i in range(many)
    }
    (tmp_path / "resources" / "mine").mkdir(parents=True)
    (tmp_path / "resources" / "mine" / "m.zip").write_bytes(zipped(members))
    (tmp_path / "mine.yaml").write_text(
        "datasets: [x]\nexplained_images: 2\n"
        "dataset_definitions: {x: {source: mine, size: 64, colour: blue}}\n"
    )
    code = (
        "import sys; from pathlib import Path; from faithcam.experiment import config\n"
        "from faithcam.running import costs\n"
        "from faithcam.data import prepare; from faithcam.data.fetch import images as fetching\n"
        f"c = config.read([{str(ROOT / 'config.yaml')!r}, 'mine.yaml'])\n"
        f"config.validate(c, Path({str(SCHEMA)!r})); d = c['dataset_definitions']['x']\n"
        "fetching.record(d, 'resources', Path('download.json'))\n"
        "files = [Path(f) for f in prepare.source_files(d, 'resources')]\n"
        "prepare.prepare('x', d, 1, files, Path('out'), ['download.json'])\n"
        "print(costs.split_images(c, 'x'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(scripts), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "train: 11 images: cat 5 (45%); dog 6 (55%)" in done.stdout
    assert "{'train': 11, 'val': 2, 'test': 4}" in done.stdout
