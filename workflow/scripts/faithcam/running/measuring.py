"""Networks that are measured once: of timm, and of the user's own (``make measure``).

What is found out can then be read without torch: of a network of timm in ``models/timm``, of one of
the user's own below the config's ``resources``, beside the version of the code that was measured.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faithcam.core import plugins
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.experiment import axes, schema
from faithcam.experiment import config as experiment
from faithcam.experiment.dataset_problems import known_images
from faithcam.models import facts, own
from faithcam.models.architecture import TIMM, Architecture, is_own, path_name
from faithcam.models.facts import Facts
from faithcam.models.families import timm
from faithcam.results.files import atomic_path
from faithcam.running import provenance

SCHEMA = Path(__file__).parents[1] / "experiment" / "config.schema.yaml"  # a link
HEADS = {
    "flatten": "HiResCAM adds up to the class score, Grad-CAM does not",
    "gap": "Grad-CAM and HiResCAM are one map up to a factor",
    "other": "that a map adds up to the class score is measured, not proven",
}


def check(config: Mapping[str, Any]) -> None:
    """Check that the user's own networks are those that were measured.

    Raises:
        FaithcamError: naming the first one whose code has changed since.
    """
    for name in _own_networks(config):
        known = own.measured(name, config["resources"])
        if known and known.code != _code(name):
            raise FaithcamError(
                f"architectures: {name} has changed since it was measured ("
                f"{own.facts_file(name, config['resources'])}); run `make measure NAME={name} "
                "CONFIG=...` again"
            )


def _own_networks(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the data sets of each of the user's own networks."""
    datasets: dict[str, list[str]] = {}
    for dataset in config["datasets"]:
        for name in axes.of_dataset(config, dataset, "architectures"):
            if is_own(name):
                datasets.setdefault(name, []).append(dataset)
    return datasets


def _code(name: str) -> str:
    *packages, module = own.files(name)
    return provenance.code_version(module, packages)


def of_timm(name: str, folder: Path) -> Path:
    """Measure a network of timm and write down its facts.

    Args:
        name: timm:NAME.
        folder: of such files.

    Returns:
        The file.

    Raises:
        FaithcamError: if the network is unknown, no convolutional network, or its file is taken.
    """
    from faithcam.models.measure import measure
    from faithcam.models.timm_nets import Features

    path = folder / f"{path_name(name)}.yaml"
    if path.exists() and facts.read(path).name != name:
        raise FaithcamError(f"{path}: found, but it is of another network than {name}; rename it")
    with torch_seed("measured"):
        spec = measure(Features(name.removeprefix(TIMM)), name)
    _write(Facts(name, spec), path, f" with timm {version('timm')}")
    return path


def of_own(name: str, config: Mapping[str, Any]) -> Path:
    """Measure a network of the user's own, for the data sets of a config, and write down its facts.

    Args:
        name: MODULE:FUNCTION.
        config: that names it.

    Returns:
        The file.

    Raises:
        FaithcamError: if the config does not name it, or it is no network that can be explained.
    """
    from faithcam.models.measure import measure
    from faithcam.models.own_nets import OwnNetwork

    datasets = _own_networks(config).get(name)
    if not datasets:
        raise FaithcamError(
            f"architectures: {name} is not among them; add it to the config, and name that: make "
            f"measure NAME={name} CONFIG=mine.yaml"
        )
    code, specs = _code(name), dict[str, Architecture]()
    for dataset in datasets:
        size = config["dataset_definitions"][dataset]["size"]
        network = OwnNetwork(name, known_images(config, dataset).classes or 2, size)
        parts = network.parts(network.build())
        shape = tuple(parts.activations(network.images()).shape[1:])
        spec = replace(measure(parts.features, network.about), head=parts.head)
        if shape != (expected := (spec.channels, spec.cells(size), spec.cells(size))):
            raise FaithcamError(
                f"{network.about}: activations {shape} found, but images of other sizes let expect "
                f"{expected}; is it another network for another size?"
            )
        specs[dataset] = spec
    if len(set(specs.values())) > 1:
        raise FaithcamError(
            f"architectures: {name} is another network on each of the data sets ({specs}), "
            "expected one; give each of them a function of its own"
        )
    path = own.facts_file(name, config["resources"])
    _write(Facts(name, spec, code), path, "")
    return path


def _write(found: Facts, path: Path, maker: str) -> None:
    import yaml

    content: dict[str, object] = {"name": found.name, "code": found.code}
    content |= {field.name: getattr(found.spec, field.name) for field in facts.FIELDS}
    kept = {key: value for key, value in content.items() if value != ""}
    text = f"# measured by `make measure NAME={found.name}`{maker}\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text + yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Measure networks: the command behind ``make measure``.

    Args:
        arguments: names as in ``architectures``, with blanks between them; files of the config.

    Returns:
        The exit code.
    """
    names, *files = arguments or [""]
    try:
        if not names.split():
            raise FaithcamError(
                "NAME: missing; e.g. make measure NAME=timm:resnet26, or NAME=mymodels:build "
                "CONFIG=mine.yaml"
            )
        for name in names.split():
            if name.startswith(TIMM):
                path, head = of_timm(name, timm.FOLDER), ""
            elif is_own(name):
                path = of_own(name, _config(files))
                spec = facts.read(path).spec
                head = f", head {spec.head} ({HEADS[spec.head]})"
            else:
                raise FaithcamError(
                    f"NAME: {name} found, expected timm:NAME or MODULE:FUNCTION, your own network"
                )
            print(f'{path}: written{head}; use it as architectures: ["{name}"]')
    except FaithcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _config(files: Sequence[str]) -> dict[str, Any]:
    """Return a config whose networks may still be unknown.

    Raises:
        FaithcamError: if its keys are wrong, or a data set is not defined.
    """
    config = experiment.read(files)
    wrong = schema.violations(config, SCHEMA)
    defined = config.get("dataset_definitions", {})
    wrong = wrong or [
        f"datasets: {name!r} is not defined" for name in config["datasets"] if name not in defined
    ]
    if wrong:
        raise FaithcamError("config: " + "\n  ".join(wrong))
    plugins.use(config)
    return config
