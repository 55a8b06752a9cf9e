"""Problems of a config's data sets: their images, the networks for them, their tasks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from faithcam.core.errors import FaithcamError
from faithcam.data import definitions as data
from faithcam.data import medmnist
from faithcam.data.collection import shares
from faithcam.experiment.axes import explained_images, explained_split, of_dataset
from faithcam.maps import registry as cams
from faithcam.metrics.faithfulness.normalised_aopc_spec import MOST_SEARCHED
from faithcam.metrics.regions import regions_of
from faithcam.models import registry as models
from faithcam.models.architecture import is_own, path_name

PHANTOM_CLASSES = 3  # of the radiographs, with a task or without
CT_FINDINGS = 4  # whose combinations take turns, the one without findings first
ABSENT = "does not exist"
SPLITS = ("train", "val", "test")
WEIGHTS_OF_ITS_OWN = ("untrained", "dead_zone")  # controls whose networks take none that are given


class Images(NamedTuple):
    """What is known of a data set's images before they are prepared.

    Args:
        splits: how many can be explained, by split; None if only preparing them tells.
        classes: how many; None likewise.
        kind: what they are called.
    """

    splits: Mapping[str, int] | None
    classes: int | None
    kind: str = "images"


def dataset_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield a sentence for each problem of a data set of the experiment."""
    definition = config["dataset_definitions"][name]
    where = f"dataset_definitions.{name}"
    if definition["source"] == "medmnist":
        try:
            medmnist.check(definition["flag"], definition["size"])
        except FaithcamError as error:
            yield f"{where}.flag: {error}"
            return  # nothing else is known of it
    if wrong := [*_path_problems(definition, where), *_split_problems(definition, where)]:
        yield from wrong
    else:
        yield from _subgroup_problems(definition, where)
        yield from _count_problems(config, name)
    yield from _network_problems(config, name)
    yield from _region_problems(config, name)
    yield from _task_problems(config, name)


def known_images(config: Mapping[str, Any], name: str) -> Images:
    """Return what the definition of a data set, or the names of its files, say of its images."""
    definition = config["dataset_definitions"][name]
    if definition["source"] == "folder":
        return _of_folder(config, name)
    splits = data.split_images(definition) if data.is_exact(definition) else None
    if splits and definition["source"] == "ct_phantom":
        some = {split: count - -(-count // 2**CT_FINDINGS) for split, count in splits.items()}
        return Images(some, CT_FINDINGS, "volumes with a finding")
    if definition["source"] == "medmnist":
        return Images(splits, len(medmnist.FLAGS[definition["flag"]].classes))
    if collection := data.COLLECTIONS.get(definition["source"]):
        labels = {label for part in collection.counts(definition).values() for label in part}
        return Images(splits, len(labels))
    return Images(splits, PHANTOM_CLASSES)


def _of_folder(config: Mapping[str, Any], name: str) -> Images:
    from faithcam.data.sources import folder

    source = folder.source(name, config["dataset_definitions"][name], config["seed"])
    images = Counter(row.split for row in source.rows)
    return Images({split: images[split] for split in SPLITS}, len(source.classes))


def _path_problems(definition: Mapping[str, Any], where: str) -> Iterable[str]:
    """Yield the user's own files that are not there."""
    for key in ("path", "masks"):
        path = definition.get(key, "")
        if path and (wrong := unusable(path, file=key == "masks")):
            home = "; write the whole path in place of ~" * path.startswith("~")
            yield f"{where}.{key}: {path} {wrong}{home}"


def _subgroup_problems(definition: Mapping[str, Any], where: str) -> Iterable[str]:
    """Yield why the columns that are named are none by which results can be shown."""
    if "subgroups" in definition:
        subgroups = import_module("faithcam.data.subgroups")  # reads with libraries of few runs
        try:
            subgroups.read(Path(definition["path"]), definition["subgroups"])
        except FaithcamError as error:
            yield f"{where}.subgroups: {error}"


def unusable(path: str, *, file: bool) -> str:
    """Return why a path names no file (or, unless ``file``, no folder either), or ""."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ABSENT
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    return "is a folder, expected a file" if file and not Path(path).is_file() else ""


def _split_problems(definition: Mapping[str, Any], where: str) -> Iterable[str]:
    """Yield what is wrong with numbers and shares of the splits."""
    if definition["source"] in ("phantom", "ct_phantom"):
        volumes = definition["source"] == "ct_phantom"
        least = 2**CT_FINDINGS if volumes else PHANTOM_CLASSES
        what = "combination of findings" if volumes else "class"
        for split in SPLITS:
            if definition[split] < least:
                yield (
                    f"{where}.{split}: {definition[split]} found, expected at least {least}, one "
                    f"of every {what}"
                )
    elif definition["source"] != "medmnist" and sum(shares(definition)) >= 1:
        val, test = shares(definition)
        yield (
            f"{where}: val {val} and test {test} found, expected shares with a sum below 1: the "
            f"rest is for training; lower {where}.val or {where}.test"
        )


def _count_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield what is wrong with the number of explained images."""
    own = "explained_images" in config["dataset_definitions"][name]
    key = f"dataset_definitions.{name}.explained_images" if own else "explained_images"
    count, split = explained_images(config, name), explained_split(config, name)
    try:
        known = known_images(config, name)
    except (FaithcamError, OSError) as error:
        yield f"dataset_definitions.{name}: {error}"
        return
    if known.splits and count > known.splits[split]:
        yield (
            f"{key}: {count} found, but data set {name} has {known.splits[split]} {split} "
            f"{known.kind}"
        )
    elif known.classes and count < known.classes:
        yield (
            f"{key}: {count} found, but data set {name} has {known.classes} classes, and one image "
            f"of each is explained; expected at least {known.classes}"
        )


def _network_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield the networks and maps that cannot take these images."""
    size = config["dataset_definitions"][name]["size"]
    volumes = bool(data.slices(config["dataset_definitions"][name]))
    architectures = of_dataset(config, name, "architectures")
    for architecture in architectures:
        try:
            models.check(architecture, size, config.get("resources", ""))
        except FaithcamError as error:
            yield f"{error} (data set {name})"
        own = is_own(architecture)
        control = config["dataset_definitions"][name].get("control")
        if own and control in WEIGHTS_OF_ITS_OWN:
            yield (
                f"architectures: {architecture} is a network of your own, whose weights are given, "
                f"but data set {name} has control: {control}; name others in "
                f"dataset_definitions.{name}.architectures"
            )
        if own and volumes:
            yield f"architectures: {architecture} takes images, but data set {name} has volumes"
        if [path_name(other) for other in architectures].count(path_name(architecture)) > 1:
            yield f"architectures: {architecture} found twice, by two names (data set {name})"
        known = models.ARCHITECTURES.get(path_name(architecture))
        if known and known.volumes != volumes:
            fitting = [a for a, other in models.ARCHITECTURES.items() if other.volumes == volumes]
            yield (
                f"architectures: {architecture} takes {('images', 'volumes')[known.volumes]}, but "
                f"data set {name} has {('images', 'volumes')[volumes]}; choose from "
                f"{', '.join(fitting)}, e.g. in dataset_definitions.{name}.architectures"
            )
    for key in ("methods", "controls"):
        flat = [m for m in cams.known(config[key]) if not cams.METHODS[m].volumes]
        if volumes and flat:
            yield f"{key}: {flat} have no maps of volumes, but data set {name} has volumes"


def _region_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield regions that do not fit the images."""
    size = config["dataset_definitions"][name]["size"]
    region = config["normalised_aopc"]["region"]
    for key, listed in (
        ("aopc.thesis.regions", config["aopc"]["thesis"]["regions"]),
        ("aopc.strict.regions", config["aopc"]["strict"]["regions"]),
        ("multiverse.regions", config["multiverse"]["regions"]),
        ("normalised_aopc.region", [region]),
    ):
        large = sorted({r for r in listed if r != "native" and r > size})
        if large:
            yield f"{key}: {large} px found, larger than the {size} px images of data set {name}"
    for key, settings in (
        ("aopc.strict", config["aopc"]["strict"]),
        ("multiverse", config["multiverse"]),
    ):
        if size in settings["regions"] and "inpainting" in settings["imputers"]:
            yield (
                f"{key}.regions: {size} px found, the whole image of data set {name}, but "
                "inpainting needs something outside of a region; use smaller ones"
            )
    regions = regions_of(size, region)
    if "normalised_aopc" in of_dataset(config, name, "metrics") and regions > MOST_SEARCHED:
        yield (
            f"normalised_aopc.region: {region} px found, {regions} regions of the {size} px "
            f"images of data set {name}, expected at most {MOST_SEARCHED}; use larger regions"
        )


def _task_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield what is wrong with a phantom's task or a data set's control."""
    definition, where = config["dataset_definitions"][name], f"dataset_definitions.{name}"
    task = definition.get("task")
    if task == "shortcut" and "rho" not in definition:
        yield f"{where}.rho: missing; a shortcut needs it: 0 (no shortcut) to 1 (always)"
    if not task and "part_dropout" in definition:
        yield f"{where}.part_dropout: found without task; only phantoms with a task have parts"
    if task != "shortcut" and "rho" in definition:
        yield f"{where}.rho: found with task {task or 'none'}; only task: shortcut has a marker"
    if task == "position" and "vertical" in config["training"]["flips"]:
        yield (
            f"training.flips: vertical found, but it exchanges upper and lower, classes of data "
            f"set {name}; use [horizontal]"
        )
    control = definition.get("control")
    if control in WEIGHTS_OF_ITS_OWN:
        for network in config["trained_weights"]:
            if network.startswith(f"{name}/"):
                yield f"trained_weights: {network} is of a data set with control: {control}"
    if control == "dead_zone" and "gap" in (heads := of_dataset(config, name, "heads")):
        yield (
            f"{where}.heads: {heads} found, but control: dead_zone takes weights from single cells,"
            " which GAP heads do not have; write heads: [flatten]"
        )
