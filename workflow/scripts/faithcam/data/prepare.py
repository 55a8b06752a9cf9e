"""From a definition in the config to a prepared data set on disk."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from faithcam.core import seeding
from faithcam.data import definitions, fingerprints, store
from faithcam.data.dataset import SPLITS

LEAKS_SHOWN = 20


def source_files(definition: Mapping[str, Any], resources: str) -> list[str]:
    """Return the files that a data set is made from: downloads, and the user's masks.

    Args:
        definition: of the data set, one of the config's ``dataset_definitions``.
        resources: folder of downloads.

    Raises:
        FaithcamError: for an unknown or multi-label flag of MedMNIST.
    """
    if collection := definitions.COLLECTIONS.get(definition["source"]):
        folder = definitions.downloads_folder(definition, resources)
        return [str(folder / file.name) for file in collection.files]
    if definition["source"] != "medmnist":
        return []
    file = definitions.medmnist().filename(definition["flag"], definition["size"])
    return [f"{resources}/medmnist/{file}", *filter(None, [definition.get("masks")])]


def fingerprint(definition: Mapping[str, Any], resources: str = "") -> str:
    """Return a hash that changes when the user's own files do; "" if there are none.

    Files that the user has to bring to the folder of downloads may still be missing.

    Args:
        definition: of the data set, one of the config's ``dataset_definitions``.
        resources: folder of downloads.

    Raises:
        FaithcamError: if they are not there.
    """
    if definition["source"] == "folder":
        return fingerprints.of_folder(definition["path"])
    if collection := definitions.COLLECTIONS.get(definition["source"]):
        folder = definitions.downloads_folder(definition, resources)
        brought = [folder / file.name for file in collection.files if not file.url]
        return fingerprints.of_files(brought) if brought else ""
    masks = definition.get("masks")
    return fingerprints.of_files([Path(masks)]) if masks else ""


def left_out(config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each of the user's folders in which files are no images.

    Args:
        config: of the experiment, checked.
    """
    notes = []
    for name in config["datasets"]:
        definition = config["dataset_definitions"][name]
        if definition["source"] == "folder":
            folder = import_module("faithcam.data.sources.folder")
            if note := folder.left_out(definition):
                notes.append(f"data set {name}: {note}")
    return notes


def counted(definition: Mapping[str, Any], seed: int, name: str) -> dict[str, int]:
    """Return how many of the user's own images each split gets, from their list alone.

    Args:
        definition: of the data set, with the source ``folder``.
        seed: the experiment's.
        name: of the data set.

    Raises:
        FaithcamError: if they cannot be listed.
    """
    folder = import_module("faithcam.data.sources.folder")
    count = Counter(item.split for item in folder.items(name, definition, seed))
    return {split: count[split] for split in SPLITS}


def prepare(
    name: str,
    definition: Mapping[str, Any],
    seed: int,
    source_files: Sequence[Path],
    folder: Path,
    records: Sequence[Path | str] = (),
    training_seed: int | None = None,
) -> None:
    """Write images, masks, table and manifest of a data set, and print what it holds.

    Args:
        name: of the data set.
        definition: of the data set, one of the config's ``dataset_definitions``.
        seed: the experiment's seed.
        source_files: as from :func:`source_files`.
        folder: where to.
        records: of the downloads; deleted where a downloaded file is not whole, so that the
            next run downloads it again.
        training_seed: whose networks' images these are, for phantoms with a task.

    Raises:
        FaithcamError: if the user's or the downloaded files are not what they should be.
    """
    module = definitions.module_of(definition)
    images = import_module(f"faithcam.data.{module}")  # other sources are no code of this job
    if module == "phantoms.planted":
        source = images.source(name, definition, seed, int(training_seed or 0))
    elif module == "sources.npz":
        images.verify(definition["flag"], definition["size"], Path(source_files[0]), records)
        source = images.source(definition, *map(Path, source_files))
    elif module == "sources.collected":
        collection = definitions.COLLECTIONS[definition["source"]]
        files = [Path(file) for file in source_files]
        source = images.source(name, definition, seed, collection, files, records)
    else:
        source = images.source(name, definition, seed)
        if module == "sources.folder" and (note := images.left_out(definition)):
            print(note)
    if definition.get("control") == "shuffled_labels":
        source = with_shuffled_labels(source, (seed, name))
    _report(store.write(name, definition["source"], source, folder))


def with_shuffled_labels(source: store.Source, key: tuple[int, str]) -> store.Source:
    """Return the same images with the labels of train and val permuted; test labels stay true.

    Args:
        source: of the true labels.
        key: the experiment's seed and the data set's name.
    """
    rows = list(source.rows)
    for split in ("train", "val"):
        members = [i for i, row in enumerate(source.rows) if row.split == split]
        random = seeding.generator(*key, "shuffled labels", split, source.seed or 0)
        for i, other in zip(members, random.permutation(members).tolist(), strict=True):
            rows[i] = rows[i]._replace(label=source.rows[other].label)
    return replace(source, rows=rows)


def _named(label: int | Sequence[int], classes: Sequence[str]) -> str:
    """Return the name of a label, or the names of several."""
    labels = [label] if isinstance(label, int) else label
    return " + ".join(classes[c] for c in labels) or "no finding"


def _report(manifest: Mapping[str, Any]) -> None:
    size, channels, classes = manifest["size"], manifest["channels"], manifest["classes"]
    kind = "grey" if channels == 1 else "colour"
    slices = manifest.get("slices")
    what = f"volumes of {slices} slices" if slices else "images"
    print(f"{manifest['name']}: {manifest['images']} {kind} {what} of {size} x {size} px")
    for split, counts in manifest["splits"].items():
        share = "; ".join(
            f"{name} {n} ({n / counts['images']:.0%})"
            for name, n in zip(classes, counts["per_class"], strict=True)
        )
        print(f"  {split}: {counts['images']} images: {share}")
    leaks = manifest["leaks"]
    print(f"  images with the same pixels in two splits or classes: {len(leaks)}")
    for leak in leaks[:LEAKS_SHOWN]:
        a, b = (
            f"{leak[x]} in {leak[f'{x}_split']} ({_named(leak[f'{x}_label'], classes)})"
            for x in "ab"
        )
        conflict = "" if leak["a_label"] == leak["b_label"] else ": contradictory labels"
        print(f"    {a} = {b}{conflict}")
    if len(leaks) > LEAKS_SHOWN:
        print(f"    and {len(leaks) - LEAKS_SHOWN} more, all in manifest.json")
