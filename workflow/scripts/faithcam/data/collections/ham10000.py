"""HAM10000: dermatoscopic images of seven kinds of pigmented skin lesions.

10,015 images of 7,470 lesions; all images of a lesion are in one split.

Source: Tschandl et al. 2018, 10.1038/sdata.2018.161; Harvard Dataverse 10.7910/DVN/DBW86T, version
4, CC BY-NC 4.0. The checksum of the table is that of the file as it was uploaded.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.data.collection import Collection, File, of_labels
from faithcam.data.items import Item, files_below, listed

URL = "https://dataverse.harvard.edu/api/access/datafile/"
TABLE = "HAM10000_metadata.csv"
ARCHIVES = ("HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip")
COLUMNS = ("lesion_id", "image_id", "dx")


def items(places: Mapping[str, Path], definition: Mapping[str, Any]) -> list[Item]:
    """Return the images of the table: label ``dx``, group ``lesion_id``.

    Raises:
        FaithcamError: if the table has other columns, or an image is missing.
    """
    with places[TABLE].open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        lines, columns = list(reader), reader.fieldnames or []
    if missing := [name for name in COLUMNS if name not in columns]:
        raise FaithcamError(
            f"{places[TABLE]}: columns {missing} are missing, found {columns}; move the file away "
            "and run again"
        )
    images = {path.stem: path for name in ARCHIVES for path in files_below(places[name], ".jpg")}
    if absent := [line["image_id"] for line in lines if line["image_id"] not in images]:
        raise FaithcamError(
            f"{places[ARCHIVES[0]]}: no image of {listed(absent)}, which {TABLE} names; move the "
            "archives away and run again"
        )
    return [
        Item(images[line["image_id"]], line["image_id"], line["dx"], line["lesion_id"])
        for line in lines
    ]


COLLECTION = Collection(
    title="HAM10000",
    files=(
        File(TABLE, f"{URL}4338392?format=original", "8f85fb1aa29d80a2797247e434deb79d"),
        File(ARCHIVES[0], f"{URL}3172585", "4639bfa73ab251610530a97c898e6e46"),
        File(ARCHIVES[1], f"{URL}3172584", "da43d6cc50f6613013be07e8986b384b"),
    ),
    channels=3,
    counts=of_labels(akiec=327, bcc=514, bkl=1_099, df=115, mel=1_113, nv=6_705, vasc=142),
    items=items,
    grouped=True,
)
