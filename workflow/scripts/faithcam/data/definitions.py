"""The config's definitions of data sets, as far as no file, network or torch is needed.

Published collections are the files of ``faithcam.data.collections``, and plugins, one declaration
each.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from faithcam.core.errors import FaithcamError
from faithcam.core.registry import Declared, Registry
from faithcam.data.collection import Collection

if TYPE_CHECKING:
    from faithcam.data.medmnist import Flag

SOURCES = ("phantom", "ct_phantom", "medmnist", "folder")


def published(package: str) -> Registry[Collection]:
    """Return the collections that a package's files and plugins declare, by the files' names.

    Raises:
        FaithcamError: if a file declares none or has a source's name.
    """
    advice = "every file there is a collection of images: mend it or take it away"
    return Registry(package, "COLLECTION", Collection, advice, check=_check_names)


def _check_names(declared: dict[str, Declared[Collection]]) -> None:
    for name in SOURCES:
        if name in declared:
            raise FaithcamError(
                f"{declared[name].file}: {name} is already a source of images; rename the file"
            )


COLLECTIONS = published("faithcam.data.collections")

# beside the manifest of a prepared data set
FILES = ("images.npy", "masks.npy", "table.parquet")
FINDING_FILES = (*FILES, "finding_masks.npy")
PLANTED_FILES = (*FILES, "part_masks.npy", "renderings.npy")


def medmnist() -> ModuleType:
    """Return the module of MedMNIST's facts, which is no code of jobs on other images."""
    return import_module("faithcam.data.medmnist")


def _flag(definition: Mapping[str, Any]) -> Flag | None:
    """Return the facts of a data set of MedMNIST; None of an unknown one and of other sources."""
    if definition["source"] != "medmnist":
        return None
    flags: Mapping[str, Flag] = medmnist().FLAGS
    return flags.get(definition["flag"])


def fact_files(definition: Mapping[str, Any]) -> list[Path]:
    """Return the files that state what a published data set holds; none of other sources."""
    source = definition["source"]
    if source == "medmnist":
        return [Path(__file__).with_name("medmnist.py")]
    declared = COLLECTIONS.declared.get(source)
    return [declared.file] if declared else []


def is_downloaded(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set is made from files that a job fetches first."""
    return definition["source"] in ("medmnist", *COLLECTIONS)


def downloads_folder(definition: Mapping[str, Any], resources: str) -> Path:
    """Return the folder of a data set's downloads."""
    return Path(resources, definition["source"])


def is_planted(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set is a phantom with planted parts.

    Each training seed draws images of its own, and test images are rendered without their parts,
    too.
    """
    return "task" in definition


def module_of(definition: Mapping[str, Any]) -> str:
    """Return the module of ``faithcam.data`` whose ``source`` makes the images of a data set."""
    if is_planted(definition):
        return "phantoms.planted"
    if definition["source"] in COLLECTIONS:
        return "sources.collected"
    return {
        "phantom": "phantoms.radiograph",
        "ct_phantom": "phantoms.ct",
        "medmnist": "sources.npz",
        "folder": "sources.folder",
    }[definition["source"]]


def channels(definition: Mapping[str, Any]) -> int:
    """Return a data set's channels: 1 (grey) or 3."""
    if spec := _flag(definition):
        return spec.channels
    collection = COLLECTIONS.get(definition["source"])
    return collection.channels if collection else int(definition.get("channels", 1))


def split_images(definition: Mapping[str, Any]) -> dict[str, int] | None:
    """Return a data set's number of images by split; None where only preparing it can tell.

    Nearly, where several images belong to one group: see :func:`is_exact`.
    """
    if definition["source"] in ("phantom", "ct_phantom"):  # with a task: for each training seed
        return {split: definition[split] for split in ("train", "val", "test")}
    if spec := _flag(definition):
        return dict(zip(("train", "val", "test"), spec.images, strict=True))
    collection = COLLECTIONS.get(definition["source"])
    return collection.split_images(definition) if collection else None


def is_exact(definition: Mapping[str, Any]) -> bool:
    """Return whether :func:`split_images` gives the very numbers."""
    collection = COLLECTIONS.get(definition["source"])
    return not collection.grouped if collection else definition["source"] != "folder"


def slices(definition: Mapping[str, Any]) -> int:
    """Return the slices of a volume; 0 for images."""
    if spec := _flag(definition):
        return int(definition["size"]) if spec.volumes else 0
    return int(definition.get("slices", 0))


def voxels(definition: Mapping[str, Any]) -> int:
    """Return the pixels of an image, or the voxels of a volume."""
    return int(definition["size"]) ** 2 * max(1, slices(definition))


def is_multi_label(definition: Mapping[str, Any]) -> bool:
    """Return whether an image has any number of the classes."""
    if spec := _flag(definition):
        return spec.multi_label
    return str(definition["source"]) == "ct_phantom"


def labels_per_image(definition: Mapping[str, Any]) -> float:
    """Return how many labels an explained image has on average, about: each is explained."""
    if spec := _flag(definition):
        return spec.labels
    # every combination of the four findings is as frequent; without any it is not explained
    return 4 * 8 / 15 if definition["source"] == "ct_phantom" else 1.0


def files(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the files beside the manifest of a prepared data set."""
    if is_planted(definition):
        return PLANTED_FILES
    if definition["source"] == "ct_phantom":
        return FINDING_FILES
    return FILES
