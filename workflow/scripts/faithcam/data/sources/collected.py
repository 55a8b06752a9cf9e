"""The images of a published collection, from its archives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faithcam.data.collection import Collection, shares
from faithcam.data.fetch.downloaded import places
from faithcam.data.items import divided, of_collection
from faithcam.data.sources import folder
from faithcam.data.store import Source


def source(
    name: str,
    definition: Mapping[str, Any],
    seed: int,
    collection: Collection,
    files: Sequence[Path],
    records: Sequence[Path | str] = (),
) -> Source:
    """Return a collection's images, split where it has no splits of its own.

    Args:
        name: of the data set; with the seed it names the streams of the split.
        definition: of the data set, one of the config's ``dataset_definitions``.
        seed: the experiment's seed.
        collection: which one.
        files: that it is made from.
        records: of the downloads.

    Raises:
        FaithcamError: if the files are not the published ones.
    """
    where = files[0].parent
    items = of_collection(collection, places(collection, where, records), definition)
    items = divided(where, items, shares(definition), (seed, name))
    return folder.of_items(where, items, definition["size"], collection.channels)
