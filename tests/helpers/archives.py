"""Small archives like those of the shipped collections, served and read."""

import csv
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from faithcam.data import definitions, prepare
from faithcam.data.collections import breakhis, covid, crc, ham10000
from faithcam.data.dataset import open_dataset
from faithcam.data.fetch import images as fetching
from faithcam.results import io as tables

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
