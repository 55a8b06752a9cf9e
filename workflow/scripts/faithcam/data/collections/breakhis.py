"""BreakHis: benign and malignant tumours of the breast, stained sections, four magnifications.

7,909 images of 82 patients; all images of a case are in one split. A file's name holds the year and
number of the case, then letters for its slides: those of one case are kept together, too.

Source: Spanhol et al. 2016, 10.1109/TBME.2015.2496264; UFPR, CC BY 4.0. No checksum is published.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faithcam.core.errors import FaithcamError
from faithcam.data.collection import Collection, Counts, File
from faithcam.data.items import Item, files_below

ARCHIVE = "BreaKHis_v1.tar.gz"
URL = f"http://www.inf.ufpr.br/vri/databases/{ARCHIVE}"
LABELS = {"B": "benign", "M": "malignant"}
IMAGES = {  # benign and malignant, by magnification
    40: (625, 1_370),
    100: (644, 1_437),
    200: (623, 1_390),
    400: (588, 1_232),
}
# SOB_B_A-14-22549AB-40-001.png: biopsy, class, type, year, case and slide, magnification, number
NAME = re.compile(r"SOB_([BM])_[A-Z]+-(\d+-\d+)[A-Z]*-(\d+)-\d+")


def magnifications(definition: Mapping[str, Any]) -> list[int]:
    """Return the magnifications of a definition: all, if it names none."""
    return list(definition.get("magnifications", IMAGES))


def counts(definition: Mapping[str, Any]) -> Counts:
    """Return the number of images of the chosen magnifications by label."""
    chosen = [IMAGES[factor] for factor in magnifications(definition)]
    return {"": dict(zip(LABELS.values(), map(sum, zip(*chosen, strict=True)), strict=True))}


def items(places: Mapping[str, Path], definition: Mapping[str, Any]) -> list[Item]:
    """Return the images of the chosen magnifications; group: year and number of the case.

    Raises:
        FaithcamError: for an image whose name is not understood.
    """
    images = []
    for file in files_below(places[ARCHIVE], ".png"):
        parts = NAME.fullmatch(file.stem)
        if not parts:
            raise FaithcamError(
                f"{file}: name not understood, expected e.g. SOB_B_A-14-22549AB-40-001.png; remove "
                "the file"
            )
        label, case, factor = parts.groups()
        if int(factor) in magnifications(definition):
            images.append(Item(file, file.name, LABELS[label], case))
    return images


COLLECTION = Collection(
    title="BreakHis",
    files=(File(ARCHIVE, URL),),
    channels=3,
    counts=counts,
    items=items,
    grouped=True,
    options={
        "magnifications": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": list(IMAGES)},
        }
    },
)
