"""Image files with their labels, groups and splits: what a data set is before it is read."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.data.collection import Collection, quota

SHOWN = 20  # problems listed in one error


@dataclass(frozen=True)
class Item:
    """One image: its file, its masks' files, and what is known about it; "" means unknown."""

    path: Path
    name: str
    label: str
    group: str
    split: str = ""
    masks: tuple[Path, ...] = ()


def of_collection(
    collection: Collection, places: Mapping[str, Path], definition: Mapping[str, Any]
) -> list[Item]:
    """Return a collection's images, all of them.

    Args:
        collection: which one.
        places: of its files by name, archives unpacked.
        definition: of the data set, one of the config's ``dataset_definitions``.

    Raises:
        FaithcamError: if the numbers of images are not the published ones.
    """
    items = collection.items(places, definition)
    counted = Counter((item.split, item.label) for item in items)
    expected = {
        (split, label): images
        for split, labels in collection.counts(definition).items()
        for label, images in labels.items()
    }
    wrong = [
        f"{' '.join(filter(None, key))}: {counted[key]} found, {expected.get(key, 0)} expected"
        for key in sorted({*counted, *expected})
        if counted[key] != expected.get(key, 0)
    ]
    if wrong:
        where = ", ".join(str(place) for place in places.values())
        raise FaithcamError(
            f"{where}: images of {collection.title}: {listed(wrong)}; put the published "
            "files in their place, or move these away and run again"
        )
    return items


def divided(
    where: Path | str, items: Sequence[Item], shares: tuple[float, float], key: tuple[int, str]
) -> list[Item]:
    """Return the items with a split each: their own, or by :func:`split_by_group`.

    A split that some items have of their own gets none of the others. If all are train or test, val
    is drawn from train.

    Args:
        where: what errors name.
        items: some, all or none with a split.
        shares: of val and of test.
        key: experiment's seed and name of the data set.

    Raises:
        FaithcamError: for impossible shares, and for a group in two splits.
    """
    splits = {item.split for item in items}
    if splits == {"train", "test"}:
        items = [item if item.split == "test" else replace(item, split="") for item in items]
        splits = {"", "test"}
    if "" in splits:
        parts = split_by_group([item for item in items if not item.split], shares, key, splits)
        items = [*parts, *(item for item in items if item.split)]
    _check_groups(where, items)
    return list(items)


def split_by_group(
    items: Sequence[Item],
    shares: tuple[float, float],
    key: tuple[int, str],
    without: Container[str] = (),
) -> list[Item]:
    """Split images so that no group is in two splits, stratified by the group's commonest label.

    Each group has a keyed rank among those of its label: the first ones are test, the next ones
    val (see :func:`~faithcam.data.collection.quota`), the others train.

    Args:
        items: without splits.
        shares: of val and of test.
        key: experiment's seed and name of the data set.
        without: splits that get none of them.

    Raises:
        FaithcamError: if the shares leave no training images.
    """
    val, test = shares
    if val <= 0 or test <= 0 or val + test >= 1:
        raise FaithcamError(f"val {val} and test {test}: expected shares > 0 whose sum is below 1")
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        labels[item.group][item.label] += 1
    strata: dict[str, list[str]] = defaultdict(list)
    for group, counts in labels.items():
        strata[min(counts, key=lambda label: (-counts[label], label))].append(group)
    split = {}
    for groups in strata.values():
        groups.sort(key=lambda group: seeding.key(*key, "split", group))
        tests, vals = (
            0 if name in without else quota(share, len(groups))
            for name, share in (("test", test), ("val", val))
        )
        for rank, group in enumerate(groups):
            split[group] = "test" if rank < tests else "val" if rank < tests + vals else "train"
    return [replace(item, split=split[item.group]) for item in items]


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Return all files below a folder that end so, sorted; hidden files are left out."""
    files = folder.rglob(f"*{suffix}")
    return sorted(file for file in files if not file.name.startswith(".") and file.is_file())


def listed(problems: Iterable[str], between: str = "; ") -> str:
    """Return the first problems as text, and how many more there are."""
    problems = list(problems)
    more = len(problems) - SHOWN
    shown = [*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
    return printable(between.join(shown))


def printable(name: Path | str) -> str:
    r"""Return a file's name as text: bytes that are no UTF-8 as \xNN, accents as one character.

    Names that look the same are the same then, and whatever the disk holds can be written.
    """
    content = str(name).encode("utf-8", "surrogateescape")
    return normalize("NFC", content.decode("utf-8", "backslashreplace"))


def _check_groups(where: Path | str, items: Sequence[Item]) -> None:
    splits = defaultdict(set)
    for item in items:
        splits[item.group].add(item.split)
    crossing = [f"{g} in {' and '.join(sorted(s))}" for g, s in splits.items() if len(s) > 1]
    if crossing:
        raise FaithcamError(
            f"{where}: groups (or files) in more than one split: {listed(crossing)}; images of one "
            "patient in training and test make the test too easy: put each into one split"
        )
