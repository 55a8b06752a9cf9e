"""NCT-CRC-HE: nine tissues of the colon and rectum, stained sections, 224 px, colour-normalised.

100,000 tiles of 86 slides for training, 7,180 tiles of 50 other patients for the test. The tiles'
names do not tell the patient, so validation is split off tile by tile: it may share patients with
the training, the test does not.

Source: Kather et al. 2019, 10.1371/journal.pmed.1002730; Zenodo 10.5281/zenodo.1214456, CC BY 4.0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faithcam.data.collection import Collection, File
from faithcam.data.items import Item, files_below

URL = "https://zenodo.org/records/1214456/files/{}?download=1"
TRAIN, TEST = "NCT-CRC-HE-100K.zip", "CRC-VAL-HE-7K.zip"
IMAGES = {
    "": {
        "ADI": 10_407, "BACK": 10_566, "DEB": 11_512, "LYM": 11_557, "MUC": 8_896, "MUS": 13_536,
        "NORM": 8_763, "STR": 10_446, "TUM": 14_317,
    },
    "test": {
        "ADI": 1_338, "BACK": 847, "DEB": 339, "LYM": 634, "MUC": 1_035, "MUS": 592, "NORM": 741,
        "STR": 421, "TUM": 1_233,
    },
}  # fmt: skip


def items(places: Mapping[str, Path], definition: Mapping[str, Any]) -> list[Item]:
    """Return the tiles: the name of a tile's folder is its tissue."""
    return [
        Item(file, f"{file.parent.name}/{file.name}", file.parent.name, file.name, split)
        for archive, split in ((TRAIN, ""), (TEST, "test"))
        for file in files_below(places[archive], ".tif")
    ]


COLLECTION = Collection(
    title="NCT-CRC-HE",
    files=(
        File(TRAIN, URL.format(TRAIN), "6fd702d11df6292bc054397ae038a464"),
        File(TEST, URL.format(TEST), "2fd1651b4f94ebd818ebf90ad2b6ce06"),
    ),
    channels=3,
    counts=lambda definition: IMAGES,
    items=items,
    fixed=("test",),
)
