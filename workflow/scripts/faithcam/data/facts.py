"""What a data set's definition says before the data set is prepared.

Importing this module does not import torch: the workflow asks while it reads its rules.
"""

from collections.abc import Mapping
from typing import Any

from faithcam.data import medmnist

Definition = Mapping[str, Any]

# beside the manifest of a prepared data set
FILES = ("images.npy", "masks.npy", "table.parquet")
FINDING_FILES = (*FILES, "finding_masks.npy")
PLANTED_FILES = (*FILES, "part_masks.npy", "renderings.npy")


def slices(definition: Definition) -> int:
    """Return the slices of a volume; 0 for images."""
    if definition["source"] == "medmnist":
        facts = medmnist.FLAGS.get(definition["flag"])
        return int(definition["size"]) if facts and facts.volumes else 0
    return int(definition.get("slices", 0))


def voxels(definition: Definition) -> int:
    """Return the pixels of an image, or the voxels of a volume."""
    return int(definition["size"]) ** 2 * max(1, slices(definition))


def is_multi_label(definition: Definition) -> bool:
    """Return whether an image has any number of the classes."""
    if definition["source"] == "medmnist":
        facts = medmnist.FLAGS.get(definition["flag"])
        return bool(facts and facts.multi_label)
    return str(definition["source"]) == "ct_phantom"


def files(definition: Definition) -> tuple[str, ...]:
    """Return the names of the files beside the manifest of a prepared data set."""
    if "task" in definition:
        return PLANTED_FILES
    if definition["source"] == "ct_phantom":
        return FINDING_FILES
    return FILES
