"""Problems of the paths in a config: folders that are not ours to write, weights that are none."""

import filecmp
import os.path
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from faithcam.core.errors import likely
from faithcam.experiment.axes import of_dataset, planned
from faithcam.experiment.dataset_problems import ABSENT, known_images, unusable
from faithcam.models.architecture import is_own, path_name
from faithcam.models.weights_header import problem

ROOT = Path(__file__).resolve().parents[4]
_ADVICE = "choose a folder of its own, e.g. results/mine"
# folders of the repository that hold other things than results
OWN = (
    "benchmarks", "build", "config", "docs", "envs", "profiles", "resources", "tests", "workflow",
)  # fmt: skip


def folder_problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield what is wrong with the folders that a run writes."""
    results = config["results"]
    wrong = [sentence for key in ("results", "resources") for sentence in _folder(config, key)]
    yield from wrong
    if wrong:
        return
    if Path(results).resolve() == Path(config["resources"]).resolve():
        yield f"results: {results} found, the folder of downloads (resources); {_ADVICE}"
    for name in config["datasets"]:
        path = config["dataset_definitions"].get(name, {}).get("path")
        for key in ("results", "resources"):
            if path and os.path.isdir(path) and _holds(path, config[key]):
                yield (
                    f"{key}: {config[key]} found, inside the user's images, which a run leaves as "
                    f"they are (dataset_definitions.{name}.path: {path}); {_ADVICE}"
                )


def _folder(config: Mapping[str, Any], key: str) -> Iterable[str]:
    folder = config[key]
    if folder.startswith("~"):
        yield f"{key}: {folder} found, but ~ is no home folder here; write the whole path"
        return
    if re.match(r"[a-z][a-z0-9+.-]+:/", folder):
        yield (
            f"{key}: {folder} found, expected a folder of this machine; results in object storage "
            "take a folder here, too, and the options of docs/storage.md"
        )
        return
    if Path(folder).name in ("", ".."):
        yield f"{key}: {folder} found; {_ADVICE}"
        return
    if (wrong := unusable(folder, file=False)) not in ("", ABSENT):
        yield f"{key}: {folder} {wrong}; {_ADVICE}"
        return
    whole = Path(folder).resolve()
    if (ROOT / "Snakefile").is_file():
        own = [name for name in OWN if name != "resources" or key == "results"]
        if whole.is_relative_to(ROOT) and whole != ROOT:
            first = whole.relative_to(ROOT).parts[0]
            if first in own or first.startswith("."):
                yield f"{key}: {folder} found, but {first} is a folder of faithcam's own; {_ADVICE}"
                return
        if _holds(folder, ROOT):
            yield f"{key}: {folder} found, which holds faithcam itself; {_ADVICE}"
            return
    for above in (whole, *whole.parents):
        if above.exists() and not above.is_dir():
            yield f"{key}: {folder} found, but {above} is a file; {_ADVICE}"


def _holds(outer: str | Path, inner: str | Path) -> bool:
    """Return whether a folder is another, or holds it."""
    return Path(inner).resolve().is_relative_to(Path(outer).resolve())


def weights_problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield the trained weights that no network of the experiment can take."""
    networks = {f"{d}/{a}-{h}/seed{s}": (d, a, h) for d, a, h, s in planned(config)}
    for name, path in config["trained_weights"].items():
        if name not in networks:
            guess = likely(name, sorted(networks)).strip()
            yield f"trained_weights: {name} is no model of this experiment" + (
                f"; {guess}" if guess else ""
            )
        elif wrong := unusable(path, file=True):
            yield f"trained_weights: {path} {wrong} ({name})"
        else:
            dataset, architecture, head = networks[name]
            size = config["dataset_definitions"][dataset]["size"]
            classes = known_images(config, dataset).classes
            if wrong := problem(Path(path), architecture, head, size, classes):
                yield f"trained_weights: {path}: {wrong} ({name})"
    yield from _given_twice(networks, config["trained_weights"])
    own = {name for name in _own_names(config) if name not in config["trained_weights"]}
    for name in sorted(own):
        yield (
            f"trained_weights: none found for {name}, a network of your own, which is not trained "
            f"here; write\n    trained_weights:\n      {name}: /FOLDER/weights.pth"
        )


def _given_twice(
    networks: Mapping[str, tuple[str, str, str]], weights: Mapping[str, str]
) -> Iterable[str]:
    """Yield the seeds of a network that have the same weights."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    for name, path in weights.items():
        if name not in networks or not os.path.isfile(path):
            continue
        others = seen.setdefault(networks[name], [])
        for other in others:
            if filecmp.cmp(weights[other], path, shallow=False):
                yield (
                    f"trained_weights: {path} found for {name}, the same weights as {other} has, "
                    "expected one network per seed: seeds count as trained apart"
                )
                break
        others.append(name)


def _own_names(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield DATASET/ARCHITECTURE-HEAD/seedN of the user's own networks."""
    own = {
        (dataset, path_name(architecture))
        for dataset in config["datasets"]
        for architecture in of_dataset(config, dataset, "architectures")
        if is_own(architecture)
    }
    for dataset, architecture, head, seed in planned(config):
        if (dataset, architecture) in own:
            yield f"{dataset}/{architecture}-{head}/seed{seed}"
