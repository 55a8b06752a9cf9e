"""Published collections of images: where their archives come from, and what is in them.

Each is one file of ``faithcam.data.collections``, whose name is the ``source`` of the config; they
are gathered in :mod:`faithcam.data.definitions`. Nothing is fetched or read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faithcam.data.items import Item

Definition = Mapping[str, Any]
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class File:
    """A file that a collection is made from.

    Args:
        name: here, in the collection's folder of downloads.
        url: where it comes from; "" if the user has to bring it.
        md5: as its publisher gives it; "" if the publisher gives none: then the first download's
            sha256 is written down and expected ever after.
        bring: what the user has to do if there is no ``url``.
    """

    name: str
    url: str = ""
    md5: str = ""
    bring: str = ""


@dataclass(frozen=True)
class Collection:
    """A published collection of images.

    Args:
        title: its name in texts.
        files: what it is made from; archives are unpacked.
        channels: 1 (grey) or 3.
        counts: of a definition in the config: images by split ("" where we split) and label.
        items: of the files' places by name (an archive's is the folder it was unpacked to) and a
            definition: its images.
        grouped: whether several images belong to one group (patient, lesion); if not, the number of
            images in each split is known beforehand.
        fixed: splits that the collection has itself.
        options: further keys of a definition, as JSON schemas.
        masks: whether its images have masks of lesions, which some metrics need.
    """

    title: str
    files: tuple[File, ...]
    channels: int
    counts: Callable[[Definition], Counts]
    items: Callable[[Mapping[str, Path], Definition], list[Item]]
    grouped: bool = False
    fixed: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    masks: bool = False

    def split_images(self, definition: Definition) -> dict[str, int]:
        """Return the number of images by split; nearly, if they are grouped."""
        sizes = {"train": 0, "val": 0, "test": 0}
        rest = dict(zip(("val", "test"), shares(definition), strict=True))
        for split, labels in self.counts(definition).items():
            for images in labels.values():
                parts = {s: quota(n, images) for s, n in rest.items() if s not in self.fixed}
                parts["train"] = images - sum(parts.values())
                for name, count in ({split: images} if split else parts).items():
                    sizes[name] += count
        return sizes


def of_labels(**images: int) -> Callable[[Definition], Counts]:
    """Return ``counts`` of a collection without splits: images by label."""
    return lambda definition: {"": images}


def shares(definition: Mapping[str, Any]) -> tuple[float, float]:
    """Return the shares of val and test where a data set has no splits of its own."""
    return definition.get("val", 0.15), definition.get("test", 0.2)


def quota(share: float, groups: int) -> int:
    """Return how many of a class's groups a split gets: rounded, at least one."""
    return max(1, int(share * groups + 0.5))
