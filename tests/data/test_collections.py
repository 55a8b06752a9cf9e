"""The published collections: small archives of their layouts, served from this machine."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import server

from faithcam.core.errors import FaithcamError
from faithcam.data import definitions, items, prepare
from faithcam.data.collections import breakhis, covid, crc, ham10000
from faithcam.data.dataset import SPLITS, open_dataset
from faithcam.data.fetch import images as fetching
from faithcam.experiment import config as experiment
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.registry import METRICS
from faithcam.results import io as tables
from faithcam.results.checksums import checksum

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SMALL = 10  # images of each class, unless a test says otherwise


def picture(seed, kind, size=(12, 10), colour=True):
    """Return the bytes of an image file."""
    shape = (size[1], size[0], 3) if colour else (size[1], size[0])
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(values).save(content, kind)
    return content.getvalue()


def zipped(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def crc_files(train=SMALL, test=4):
    def tiles(top, many, start):
        return {
            f"{top}/{label}/{label}-{start + i:04d}.tif": picture(start + 100 * k + i, "tiff")
            for k, label in enumerate(crc.IMAGES[""])
            for i in range(many)
        }

    return {
        crc.TRAIN: zipped(tiles("NCT-CRC-HE-100K", train, 0) | {"__MACOSX/._a.tif": b""}),
        crc.TEST: zipped(tiles("CRC-VAL-HE-7K", test, 5000)),
    }


def ham_lines(many=SMALL):
    """Two images of each lesion."""
    return [
        {"lesion_id": f"HAM_{k}{i // 2}", "image_id": f"ISIC_{k}{i}", "dx": label, "age": "50.0"}
        for k, label in enumerate(ham10000.COLLECTION.counts({})[""])
        for i in range(many)
    ]


def ham_files(lines=None, columns=("lesion_id", "image_id", "dx", "age")):
    lines = lines or ham_lines()
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    images = [f"{line['image_id']}.jpg" for line in lines]
    pixels = {name: picture(i, "jpeg") for i, name in enumerate(images)}
    return {
        ham10000.TABLE: table.getvalue().encode(),
        ham10000.ARCHIVES[0]: zipped({name: pixels[name] for name in images[::2]}),
        ham10000.ARCHIVES[1]: zipped({name: pixels[name] for name in images[1::2]}),
    }


def breakhis_members(cases=SMALL):
    """Four magnifications of each case; letters name its slides."""
    kinds = (("B", "benign", "adenosis", "A"), ("M", "malignant", "ductal_carcinoma", "DC"))
    return {
        f"BreaKHis_v1/histology_slides/breast/{label}/SOB/{kind}/SOB_{letter}_{short}_14-{case}AB/"
        f"{factor}X/SOB_{letter}_{short}-14-{1000 * k + case}{slide}-{factor}-001.png": picture(
            10000 * k + 1000 * f + 10 * case + len(slide), "png"
        )
        for k, (letter, label, kind, short) in enumerate(kinds)
        for f, factor in enumerate(breakhis.IMAGES)
        for case in range(100, 100 + cases)
        for slide in ("", "CD")
    }


def breakhis_files(members=None):
    return {breakhis.ARCHIVE: tarred(members or breakhis_members())}


def covid_files(many=SMALL, labels=tuple(covid.IMAGES)):
    top = "COVID-19_Radiography_Dataset"
    members = {f"{top}/README.md.txt": b"read me", f"{top}/COVID.metadata.xlsx": b"x"}
    for k, label in enumerate(labels):
        for i in range(many):
            name = f"{label}-{i + 1}.png"
            members[f"{top}/{label}/images/{name}"] = picture(100 * k + i, "png", colour=i % 2)
            members[f"{top}/{label}/masks/{name}"] = picture(9000 + i, "png", colour=False)
    return {covid.ARCHIVE: zipped(members)}


def few(counts):
    """Return counts like the published ones, as many images of each class as the archives hold."""
    return lambda definition: counts


FILES = {"crc": crc_files, "ham10000": ham_files, "breakhis": breakhis_files, "covid": covid_files}
COUNTS = {
    "crc": few(
        {"": dict.fromkeys(crc.IMAGES[""], SMALL), "test": dict.fromkeys(crc.IMAGES[""], 4)}
    ),
    "ham10000": few({"": dict.fromkeys(ham10000.COLLECTION.counts({})[""], SMALL)}),
    "breakhis": lambda d: {
        "": dict.fromkeys(("benign", "malignant"), 2 * SMALL * len(breakhis.magnifications(d)))
    },
    "covid": few({"": dict.fromkeys(covid.IMAGES, SMALL)}),
}


class Served:
    """A small collection instead of the published one: its archives, its server, its folders."""

    def __init__(self, name, address, content, folder, monkeypatch):
        self.name, self.monkeypatch, self.content = name, monkeypatch, content
        self.base, self.asked = address
        self.downloads, self.record = folder / "resources" / name, folder / "download.json"
        self.out = folder / "out"
        self.set(FILES[name](), counts=COUNTS[name])

    def set(self, content, **changes):
        """Serve other archives, with their checksums where any are published."""
        published = definitions.COLLECTIONS[self.name]
        md5 = {name: hashlib.md5(data).hexdigest() for name, data in content.items()}
        files = tuple(
            replace(
                file,
                url=file.url and f"{self.base}/{file.name}",
                md5=file.md5 and md5[file.name],
            )
            for file in published.files
        )
        self.content.clear()
        self.content.update({f"/{name}": data for name, data in content.items()})
        small = replace(published, files=files, **changes)
        self.monkeypatch.setitem(definitions.COLLECTIONS, self.name, small)

    def fetch(self):
        actual = definitions.COLLECTIONS[self.name]
        files = fetching.download_collection(actual, self.downloads, pause=0)
        self.record.write_text(json.dumps({"files": files}))
        return files

    def bring(self):
        """Put what the user has to bring where it has to be."""
        self.downloads.mkdir(parents=True, exist_ok=True)
        for file in definitions.COLLECTIONS[self.name].files:
            if not file.url:
                (self.downloads / file.name).write_bytes(self.content[f"/{file.name}"])

    def prepare(self, seed=1, **definition):
        definition = {"source": self.name, "size": 8} | definition
        sources = prepare.source_files(definition, str(self.downloads.parent))
        paths = [Path(file) for file in sources]
        prepare.prepare("d", definition, seed, paths, self.out, [self.record])
        return open_dataset(self.out)

    def table(self):
        return tables.read(self.out / "table.parquet").to_pandas()


@pytest.fixture
def make(tmp_path, monkeypatch):
    content = {}
    with server(content) as address:
        yield lambda name: Served(name, address, content, tmp_path, monkeypatch)


# --- what is known beforehand --------------------------------------------------------------------


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


# --- each collection -----------------------------------------------------------------------------


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
    assert not dataset.masks.any()


# --- the user's own download ---------------------------------------------------------------------


def test_what_is_to_be_brought_where_is_said(make):
    served = make("covid")
    path = served.downloads / covid.ARCHIVE
    for step in (served.fetch, served.prepare):
        with pytest.raises(FaithcamError) as error:
            step()
        message = str(error.value)
        assert message.startswith(f"{path}: no such file; log in to Kaggle, download https://www.")
        assert message.endswith(f"under the name {covid.ARCHIVE}")


def test_another_file_of_the_users_is_seen_and_unpacked_anew(make):
    served = make("covid")
    definition, resources = {"source": "covid", "size": 8}, str(served.downloads.parent)
    missing = prepare.fingerprint(definition, resources)
    served.bring()
    served.fetch()
    one = prepare.fingerprint(definition, resources)
    first = served.prepare().images[:]
    served.set(
        {covid.ARCHIVE: covid_files(12)[covid.ARCHIVE]},
        counts=few({"": dict.fromkeys(covid.IMAGES, 12)}),
    )
    served.bring()
    assert len({missing, one, prepare.fingerprint(definition, resources)}) == 3
    assert len(served.prepare().images) == 48 > len(first)


# --- checksums -----------------------------------------------------------------------------------


def test_a_wrong_checksum_is_refused_and_nothing_stays(make):
    served = make("crc")
    served.content[f"/{crc.TEST}"] = b"other"
    with pytest.raises(FaithcamError, match=rf"{crc.TEST}.*md5 .* expected.* 3 attempts failed"):
        served.fetch()
    assert [file.name for file in served.downloads.iterdir()] == [crc.TRAIN]


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_broken_download_goes_with_its_record_and_comes_again(make, damage):
    served = make("crc")
    served.fetch()
    path = served.downloads / crc.TEST
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"other")
    with pytest.raises(FaithcamError, match=f"{path}: .* found, md5 .* expected; deleted: .*again"):
        served.prepare()
    assert not path.exists()
    assert not served.record.exists()
    served.fetch()
    assert len(served.asked) == 3
    assert len(served.prepare().images) == 126


def test_without_a_published_checksum_the_first_one_counts(make, capsys):
    served = make("breakhis")
    path, note = (
        served.downloads / breakhis.ARCHIVE,
        served.downloads / f"{breakhis.ARCHIVE}.sha256",
    )
    served.fetch()
    first = checksum(path, "sha256")
    assert note.read_text() == f"{first}  {breakhis.ARCHIVE}\n"
    assert f"no checksum is published; sha256 {first}, written to {note}" in capsys.readouterr().out
    # another file on the server, ours lost
    path.unlink()
    served.content[f"/{breakhis.ARCHIVE}"] = b"other"
    with pytest.raises(
        FaithcamError, match=f"sha256 .* found, {first} .* no checksum: {note} holds"
    ):
        served.fetch()
    assert [file.name for file in served.downloads.iterdir()] == [note.name]
    note.unlink()
    served.fetch()
    assert path.read_bytes() == b"other"
    # a changed file here
    path.write_bytes(b"changed")
    with pytest.raises(FaithcamError, match=r"found, sha256 .* expected; deleted"):
        served.prepare()


# --- contents ------------------------------------------------------------------------------------


def test_a_missing_class_folder_is_named(make):
    served = make("covid")
    served.set(covid_files(labels=tuple(covid.IMAGES)[:3]), counts=COUNTS["covid"])
    served.bring()
    served.fetch()
    with pytest.raises(FaithcamError, match="Viral Pneumonia: 0 found, 10 expected; delete these"):
        served.prepare()


def test_missing_tiles_and_another_class_are_named(make):
    served = make("crc")
    members = {f"x/{label}/{label}-{i}.tif": b"" for label in crc.IMAGES[""] for i in range(10)}
    del members["x/ADI/ADI-0.tif"]
    served.set(crc_files() | {crc.TRAIN: zipped(members | {"x/NEW/NEW-1.tif": b""})})
    served.fetch()
    with pytest.raises(FaithcamError, match="ADI: 9 found, 10 expected; NEW: 1 found, 0 expected"):
        served.prepare()


def test_an_archive_of_another_release_is_refused():
    actual = definitions.COLLECTIONS["breakhis"]
    broken = replace(actual, items=lambda places, definition: [])
    with pytest.raises(FaithcamError, match="benign: 0 found, 2480 expected; malignant: 0 found"):
        items.of_collection(broken, {"a": Path("x")}, {})


def test_a_table_that_names_other_images_or_columns_is_refused(make):
    served = make("ham10000")
    files = ham_files()
    lines = [*ham_lines(), {"lesion_id": "HAM_x", "image_id": "ISIC_x", "dx": "nv"}]
    served.set(files | {ham10000.TABLE: ham_files(lines)[ham10000.TABLE]})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"no image of ISIC_x, which HAM10000_metadata\.csv"):
        served.prepare()
    served.set(files | {ham10000.TABLE: ham_files(columns=("image_id", "dx"))[ham10000.TABLE]})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"columns \['lesion_id'\] are missing, found \['image"):
        served.prepare()


def test_a_name_that_is_not_understood_is_refused(make):
    served = make("breakhis")
    served.set(breakhis_files(breakhis_members() | {"a/SOB_B_A-14-1.png": b""}))
    served.fetch()
    with pytest.raises(FaithcamError, match=r"SOB_B_A-14-1\.png: name not understood, expected e"):
        served.prepare()


def test_a_tile_in_training_and_test_is_refused(make):
    served = make("crc")
    same = {f"x/{label}/{label}-{i:04d}.tif": b"" for label in crc.IMAGES[""] for i in range(4)}
    served.set(crc_files() | {crc.TEST: zipped(same)})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"more than one split: ADI-0000\.tif in test and tra"):
        served.prepare()


def test_patients_in_two_splits_are_refused():
    def item(name, group, split):
        return items.Item(Path(name), name, "a", group, split)

    leak = [item("1", "p", "train"), item("2", "p", "test"), item("3", "q", "val")]
    with pytest.raises(
        FaithcamError, match=r"somewhere: groups .* split: p in test and train; ima"
    ):
        items.divided("somewhere", leak, (0.2, 0.2), (1, "d"))
    mixed = [*(item(f"{i}", f"{i}", "") for i in range(9)), item("t", "4", "test")]
    with pytest.raises(FaithcamError, match="4 in t"):
        items.divided("somewhere", mixed, (0.2, 0.2), (1, "d"))


def test_a_hostile_archive_writes_nothing(make, tmp_path):
    served = make("breakhis")
    served.set({breakhis.ARCHIVE: tarred({"../../evil.png": b"evil"})})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"member '\.\./\.\./evil\.png' leads out of"):
        served.prepare()
    assert not list(tmp_path.rglob("evil*"))


# --- config --------------------------------------------------------------------------------------


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
