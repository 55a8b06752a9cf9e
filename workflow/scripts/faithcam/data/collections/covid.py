"""COVID-19 radiography database: chest radiographs, four classes, 299 px.

21,165 images of unknown patients, so that one patient's may be in two splits. The masks in the
archive outline lungs, not findings, and are not used.

Source: Chowdhury et al. 2020, 10.1109/ACCESS.2020.3010287; Rahman et al. 2021,
10.1016/j.compbiomed.2021.104319; Kaggle, where it needs the user's own account.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faithcam.data.collection import Collection, File
from faithcam.data.items import Item, files_below

ARCHIVE = "covid19-radiography-database.zip"
PAGE = "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database"
IMAGES = {"COVID": 3_616, "Lung_Opacity": 6_012, "Normal": 10_192, "Viral Pneumonia": 1_345}


def items(places: Mapping[str, Path], definition: Mapping[str, Any]) -> list[Item]:
    """Return the radiographs CLASS/images/NAME.png."""
    return [
        Item(file, file.name, file.parents[1].name, file.name)
        for file in files_below(places[ARCHIVE], ".png")
        if file.parent.name == "images"
    ]


COLLECTION = Collection(
    title="COVID-19 radiography database",
    files=(
        File(
            ARCHIVE,
            bring=f"log in to Kaggle, download {PAGE} (21,165 images) and put the zip there, "
            f"not unpacked, under the name {ARCHIVE}",
        ),
    ),
    channels=1,
    counts=lambda definition: {"": IMAGES},
    items=items,
)
