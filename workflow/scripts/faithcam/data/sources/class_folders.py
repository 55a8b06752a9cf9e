"""Folders of images: CLASS/NAME, or CLASS/GROUP/NAME; other layouts are refused by name."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from faithcam.core.errors import FaithcamError
from faithcam.data.items import Item, listed, printable
from faithcam.data.sources.image_files import SUFFIXES, UNREAD, is_image
from faithcam.data.sources.listing import Listing

# of operating systems, network drives and notebooks, besides what begins with a dot
SYSTEM = {
    "__macosx", "__pycache__", "@eadir", "@__thumb", "@recycle", "@recently-snapshot", "#recycle",
    "#snapshot", "~snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found",
    "network trash folder", "temporary items", "thumbs.db", "ehthumbs.db", "desktop.ini",
    "dicomdir",
}  # fmt: skip
SPLIT = re.compile(
    r"(train(ing)?|trn|val(id(at(ion|e))?)?|eval(uation)?|dev|tests?|testing|tst|hold-?out)"
    r"(set|data|images?)?\d*|k?fold\d+"
)
MASKS = re.compile(r"(.* )?(masks?|segmentations?|annotations?|labels?|ground ?truths?|gt)")
IMAGES = re.compile(r"images?|imgs?|pictures?|photos?|jpe?gs?|pngs?|dicoms?|dcms?|tiffs?")
MASK_FILE = re.compile(r"(.+)_mask(_\d+)?", re.IGNORECASE)


def read(path: Path) -> Listing:
    """Return the images below a folder, sorted.

    The first folder is the class, the second, if there is one, the group (a patient).
    NAME_mask.png, NAME_mask_1.png ... are masks of the image NAME in the same folder. Hidden files
    and folders and those of systems are left out; links are followed.

    Raises:
        FaithcamError: for a folder that cannot be listed, or that is reached twice by links.
    """
    files, folders, broken = _below(path)
    images, left_out, unread = [], Counter[str](), Counter[str]()
    for file in files:
        suffix = "".join(file.suffixes[-2:] if file.suffix.lower() == ".gz" else file.suffixes[-1:])
        try:
            if _is_hidden(file.name):
                left_out["hidden"] += 1
            elif suffix.lower() in UNREAD:
                unread[suffix.lower()] += 1
            elif is_image(file):
                images.append(file)
            else:
                left_out[suffix.lower() or "no suffix"] += 1
        except OSError as error:
            broken.append(f"{file} ({error.strerror})")
    classes = [folder.name for folder in folders if folder.parent == path]
    parents = {file.relative_to(path).parent.parts for file in images}
    problems = list(_layout(parents | {(name,) for name in classes}))
    items, orphans = _items(path, images)
    if not problems:  # what else is wrong may follow from these
        problems += _problems(classes, items, broken, unread, orphans)
    return Listing(path, items, problems, left_out)


def _below(path: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Return all files and folders below a folder, both sorted, and what cannot be opened."""
    root = Path(os.path.realpath(path))
    known = {str(parent): parent for parent in root.parents}
    files, folders, broken, waiting = [], [], [], [path]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in known:
            raise FaithcamError(
                f"{printable(folder)}: the same folder as {printable(known[real])} by a link, so "
                "images would count twice or without end; expected each folder once: move the link "
                "elsewhere, or name the images in a CSV"
            )
        known[real] = folder
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    file, hidden = folder / entry.name, _is_hidden(entry.name)
                    try:
                        if entry.is_file():
                            files.append(file)
                        elif hidden:
                            continue
                        elif entry.is_dir():
                            waiting.append(file)
                        elif entry.is_symlink():
                            broken.append(f"{file} (a link to nothing)")
                    except OSError as error:  # a link to itself, or to where one may not look
                        broken += [] if hidden else [f"{file} ({error.strerror})"]
        except OSError as error:
            raise FaithcamError(
                f"{printable(folder)}: this folder cannot be listed ({error.strerror}), so its "
                "images would be missed; ask for permission to read it, or name the images to be "
                "used in a CSV"
            ) from error
        folders.append(folder)
    return sorted(files), sorted(folders[1:]), sorted(broken)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM


def _layout(places: set[tuple[str, ...]]) -> Iterator[str]:
    """Yield what is wrong if folders are no classes or groups, but splits or kinds of files.

    Args:
        places: names of folders, from the top, that are classes or have images.
    """
    splits, kinds = [], []
    for parts in sorted({place[: i + 1] for place in places for i in range(len(place))}):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", parts[-1]).casefold().split()
        top, masks = len(parts) == 1, MASKS.fullmatch(name := " ".join(words))
        if SPLIT.fullmatch("".join(words)) or (top and any(map(SPLIT.fullmatch, words))):
            splits.append("/".join(parts))
        # a class may be "with mask"; below a patient, a folder of images is harmless
        elif (masks and not (top and masks[1])) or (len(parts) < 3 and IMAGES.fullmatch(name)):
            kinds.append("/".join(parts))
    if splits:
        yield (
            f"folders {listed(splits, ', ')} are named like splits, not like classes or patients: "
            "write a CSV with the columns path, label, split, or name the folder that holds the "
            "class folders as path"
        )
    if kinds:
        yield (
            f"folders {listed(kinds, ', ')} are named like kinds of files (images, masks), not "
            "like classes or patients: put images into the folder of their class or patient and "
            "masks beside them as NAME_mask.png, or write a CSV with the columns path, label, mask"
        )


def _items(path: Path, images: Sequence[Path]) -> tuple[list[Item], list[str]]:
    """Return the images, each with its masks, and masks without an image."""
    masks: dict[Path, list[Path]] = defaultdict(list)
    alone = []
    for file in images:
        if mask := MASK_FILE.fullmatch(file.stem):
            masks[file.with_name(mask[1])].append(file)
        else:
            alone.append(file)
    items = []
    for file in alone:
        label, *below = parts = file.relative_to(path).parts
        name = printable("/".join(parts))
        group = printable(below[0]) if len(below) > 1 else name
        of_file = tuple(masks.get(file.with_name(file.stem), ()))
        items.append(Item(file, name, printable(label), group, masks=of_file))
    stems = {file.with_name(file.stem) for file in alone}
    return items, [str(f) for stem in masks if stem not in stems for f in masks[stem]]


def _problems(
    classes: Sequence[str],
    items: Sequence[Item],
    broken: Sequence[str],
    unread: Counter[str],
    orphans: Sequence[str],
) -> Iterator[str]:
    """Yield what is wrong with files, and which class has none."""
    if broken:
        yield f"cannot be opened: {listed(broken)}; mend or move them"
    if unread:
        counts = ", ".join(f"{suffix} {count}" for suffix, count in sorted(unread.items()))
        yield (
            f"image formats that are not read: {counts}; convert them to PNG, or move them to "
            "another folder"
        )
    if orphans:
        yield f"masks without their image: {listed(orphans)}"
    if loose := [item.name for item in items if "/" not in item.name]:
        yield (
            f"images beside the class folders: {listed(loose)}; move each into the folder of its "
            "class or elsewhere, or name a CSV of all images as path"
        )
    empty = {*map(printable, classes)} - {item.label for item in items}
    if empty or not classes:
        what = f"no images in {listed(sorted(empty))}" if empty else "no folders"
        yield (
            f"{what}; expected one folder per class with images in each: "
            f"{', '.join(sorted(SUFFIXES))}"
        )
