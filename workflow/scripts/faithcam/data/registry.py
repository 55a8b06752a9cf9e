"""Published collections by name: the files of ``faithcam.data.collections``, found by walking.

Importing this module does not import torch, so that a config can be checked before any job.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from faithcam.data import collection, collections, medmnist

COLLECTIONS: dict[str, collection.Collection] = {
    module.name: import_module(f"{collections.__name__}.{module.name}").COLLECTION
    for module in sorted(iter_modules(collections.__path__), key=lambda module: module.name)
}


def is_downloaded(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set is made from files that a job fetches first."""
    return definition["source"] in ("medmnist", *COLLECTIONS)


def folder(definition: Mapping[str, Any], resources: str) -> Path:
    """Return the folder of a data set's downloads."""
    return Path(resources, definition["source"])


def record(definition: Mapping[str, Any], resources: str, path: Path) -> None:
    """Fetch what a data set is made from and write down, as JSON at ``path``, where it is.

    Raises:
        FaithcamError: if it could not be fetched.
    """
    where = folder(definition, resources)
    if definition["source"] == "medmnist":
        medmnist.record(definition["flag"], definition["size"], where, path)
    else:
        collection.record(COLLECTIONS[definition["source"]], where, path)


def channels(definition: Mapping[str, Any]) -> int:
    """Return a data set's channels: 1 (grey) or 3."""
    if definition["source"] == "medmnist":
        return medmnist.FLAGS[definition["flag"]].channels
    found = COLLECTIONS.get(definition["source"])
    return found.channels if found else int(definition.get("channels", 1))


def split_images(definition: Mapping[str, Any]) -> dict[str, int] | None:
    """Return a data set's number of images by split; None where only preparing it can tell.

    Nearly, where several images belong to one group: see :func:`is_exact`.
    """
    if definition["source"] == "phantom":  # with a task: for each training seed
        return {split: definition[split] for split in ("train", "val", "test")}
    if definition["source"] == "medmnist":
        images = medmnist.FLAGS[definition["flag"]].images
        return dict(zip(("train", "val", "test"), images, strict=True))
    found = COLLECTIONS.get(definition["source"])
    return found.split_images(definition) if found else None


def is_exact(definition: Mapping[str, Any]) -> bool:
    """Return whether :func:`split_images` gives the very numbers."""
    found = COLLECTIONS.get(definition["source"])
    return not found.grouped if found else definition["source"] != "folder"
