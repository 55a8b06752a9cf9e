"""Published collections of images: where their archives come from, and what is in them.

Each is one file of ``faithcam.data.collections`` whose name is the ``source`` of the config, found
by :mod:`faithcam.data.registry`. Importing this module does not import torch.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faithcam import downloads
from faithcam.data.items import Item, listed, quota, shares
from faithcam.errors import FaithcamError
from faithcam.tables import atomic_path
from faithcam.unpacking import unpack

Definition = Mapping[str, Any]
Counts = Mapping[str, Mapping[str, int]]
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


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


def download(collection: Collection, folder: Path, pause: float = 2) -> list[dict[str, str]]:
    """Fetch a collection's files, unless they are there: see :func:`faithcam.downloads.fetch`.

    Args:
        collection: which one.
        folder: where to.
        pause: seconds before the second attempt.

    Returns:
        file, algorithm and checksum of each.

    Raises:
        FaithcamError: if one could not be fetched, or the user has to bring it and did not.
    """
    found = []
    for file in collection.files:
        path = folder / file.name
        algorithm, expected = _expected(file, folder)
        if file.url:
            _fetch(file, path, algorithm, expected, pause)
        elif not path.is_file():
            raise FaithcamError(f"{path}: no such file; {file.bring}")
        digest = downloads.checksum(path, algorithm)
        if file.url and not expected:
            note = _note(path)
            with atomic_path(note) as temporary:
                temporary.write_text(f"{digest}  {file.name}\n", encoding="utf-8")
            print(f"{path}: no checksum is published; sha256 {digest}, written to {note}")
        found.append({"file": str(path), "algorithm": algorithm, "checksum": digest})
    return found


def _fetch(file: File, path: Path, algorithm: str, expected: str, pause: float) -> None:
    try:
        downloads.fetch(file.url, path, algorithm, expected, pause=pause)
    except FaithcamError as error:
        if file.md5 or not expected:
            raise
        raise FaithcamError(
            f"{error}; its publisher gives no checksum: {_note(path)} holds that of the first "
            "download, delete it to accept another file"
        ) from error


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _expected(file: File, folder: Path) -> tuple[str, str]:
    """Return algorithm and checksum that a file must have; "" if nothing is known of it yet."""
    if file.md5:
        return "md5", file.md5
    note = _note(folder / file.name)
    if file.url and note.is_file():
        return "sha256", note.read_text(encoding="utf-8").split(maxsplit=1)[0]
    return "sha256", ""


def record(collection: Collection, folder: Path, path: Path) -> None:
    """Fetch a collection into ``folder`` and write down, as JSON at ``path``, what is there."""
    files = download(collection, folder)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"files": files}, indent=1) + "\n", encoding="utf-8")


def places(
    collection: Collection, folder: Path, records: Iterable[Path | str] = ()
) -> dict[str, Path]:
    """Return where a collection's files are, after their checksums, and unpack its archives.

    A downloaded file that is not whole is deleted with the records, so that the next run downloads
    it again; a file that the user brought is left alone.

    Args:
        collection: which one.
        folder: of its downloads.
        records: what :func:`record` wrote.

    Raises:
        FaithcamError: if a file is missing, has another checksum or cannot be unpacked.
    """
    found = {}
    for file in collection.files:
        path = folder / file.name
        algorithm, expected = _expected(file, folder)
        digest = downloads.checksum(path, algorithm) if path.is_file() else "no file"
        if digest == "no file" or not digest.startswith(expected):
            if not file.url:
                raise FaithcamError(f"{path}: no such file; {file.bring}")
            wrong = [p for p in (path, *map(Path, records)) if p.exists()]
            for p in wrong:
                p.unlink()
            raise FaithcamError(
                f"{path}: {digest} found, {algorithm} {expected or 'of any file'} expected; "
                f"deleted: {', '.join(map(str, wrong)) or 'nothing'}; run again to download it"
            )
        found[file.name] = path
        if file.name.endswith(ARCHIVES):
            # named by its content: another file is unpacked anew
            found[file.name] = folder / f"{file.name}-{digest[:12]}"
            unpack(path, found[file.name])
    return found


def items(collection: Collection, places: Mapping[str, Path], definition: Definition) -> list[Item]:
    """Return a collection's images, all of them.

    Args:
        collection: which one.
        places: as from :func:`places`.
        definition: of the data set, one of the config's ``dataset_definitions``.

    Raises:
        FaithcamError: if the numbers of images are not the published ones.
    """
    found = collection.items(places, definition)
    counted = Counter((item.split, item.label) for item in found)
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
            f"{where}: images of {collection.title}: {listed(wrong)}; delete these and run again, "
            "or check that the archives are the published ones"
        )
    return found
