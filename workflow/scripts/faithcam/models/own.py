"""Networks of the user's own, MODULE:FUNCTION in ``architectures``: facts and files, without torch.

The module is one that Python finds (``PYTHONPATH``, ``pip install``), and no file of ours. What
``make measure`` found out about its network is below the folder ``resources`` of the config.
"""

from __future__ import annotations

import re
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from faithcam.core.errors import FaithcamError
from faithcam.models import facts
from faithcam.models.architecture import OWN, path_name

HEADS = ("flatten", "gap", "other")
PACKAGE = Path(__file__).parents[1]


def measured(architecture: str, resources: str) -> facts.Facts | None:
    """Return the facts of a network, by its name in the config or in paths; None without any.

    Args:
        architecture: MODULE:FUNCTION, or MODULE_FUNCTION.
        resources: the config's folder of what is kept between runs.

    Raises:
        FaithcamError: if they cannot be read, or are those of a network of another name.
    """
    file = facts_file(architecture, resources)
    if not file.is_file():
        return None
    found = facts.read(file)
    if ":" in architecture and found.name != architecture:
        raise FaithcamError(
            f"{file}: found, but it is of another network ({found.name}) than {architecture}; "
            "rename the function of one of them"
        )
    if found.spec.head not in HEADS:
        raise FaithcamError(
            f"{file}: head: {found.spec.head!r} found, expected one of {', '.join(HEADS)}; measure "
            f"the network anew: `make measure NAME={found.name} CONFIG=...`"
        )
    return found


def facts_file(architecture: str, resources: str) -> Path:
    """Return the file that the facts of a network are in."""
    return Path(resources) / "networks" / f"{path_name(architecture)}.yaml"


def files(architecture: str) -> list[Path]:
    """Return the module of a network, and the packages that it is in: found, but not run.

    Args:
        architecture: MODULE:FUNCTION.

    Raises:
        FaithcamError: if Python does not find it, it is no file of Python, or one of ours.
    """
    if not re.fullmatch(OWN, architecture, re.ASCII):
        raise FaithcamError(
            f"architectures: {architecture} found, expected MODULE:FUNCTION, as mymodels:build"
        )
    module = architecture.partition(":")[0]
    specs = _specs(module.split("."))
    if not specs or not (specs[-1].origin or "").endswith(".py"):
        raise FaithcamError(
            f"architectures: {architecture} found, but Python finds no file of a module {module}; "
            "put the folder that holds it on the path (export PYTHONPATH=/FOLDER), or pip install "
            "it"
        )
    found = [Path(o) for spec in specs if (o := spec.origin or "").endswith(".py")]
    if _is_ours(found[-1]):
        raise FaithcamError(
            f"architectures: {architecture} is {found[-1]}, a file of faithcam's own; rename your "
            "module"
        )
    return found


def _is_ours(file: Path) -> bool:
    """Return whether a file is in the package or, in the repository, a script beside it."""
    in_repository = (PACKAGE.parents[2] / "Snakefile").is_file()
    return file.is_relative_to(PACKAGE.parent if in_repository else PACKAGE)


def _specs(names: list[str]) -> list[ModuleSpec]:
    """Return where a module and the packages that it is in are; [] if it is not found."""
    specs: list[ModuleSpec] = []
    for name in names:
        places = specs[-1].submodule_search_locations or [] if specs else []
        try:
            spec = PathFinder.find_spec(name, [*places]) if specs else find_spec(name)
        except (ImportError, ValueError):  # a module that was made, not found
            return []
        if spec is None:
            return []
        specs.append(spec)
    return specs
