"""Every map method by name, from the files of this package.

Importing this module does not import torch, unless a method's file does, so that a config can be
checked before any job.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from faithcam.cams.method import INPUTS, Method, Network, parameters
from faithcam.errors import FaithcamError, unknown

HERE = Path(__file__).parent


def _collect() -> tuple[dict[str, Method], dict[str, Path]]:
    """Return all methods by name, and the file of each, in the order of the files' names.

    Raises:
        FaithcamError: if a file cannot be imported, a name is taken, or a need is unknown.
    """
    methods: dict[str, Method] = {}
    files: dict[str, Path] = {}
    names = sorted(found.name for found in pkgutil.iter_modules([str(HERE)]) if not found.ispkg)
    for module in (name for name in names if name != "registry"):
        file = HERE / f"{module}.py"
        try:
            declared = getattr(importlib.import_module(f"faithcam.cams.{module}"), "METHODS", {})
        except Exception as error:
            raise FaithcamError(
                f"{file}: cannot be imported ({type(error).__name__}: {error}); every file there "
                "can hold map methods: mend it or take it away"
            ) from error
        for name, method in declared.items():
            if name in methods:
                raise FaithcamError(
                    f"{file}: {name!r} is already a method of {files[name].name}; rename one"
                )
            methods[name], files[name] = method, file
    for name, method in methods.items():
        taken = {need for make in method.shared.values() for need in parameters(make)}
        known = {*INPUTS, *methods, *method.shared}
        if unknown := sorted({*method.needs, *taken} - known):
            raise FaithcamError(
                f"{files[name]}: {name} needs {', '.join(unknown)}, which is neither another "
                f"method nor one of {', '.join(INPUTS)}"
            )
    return methods, files


METHODS, _FILES = _collect()


def check(methods: Iterable[str], key: str = "methods") -> None:
    """Raise FaithcamError naming the first unknown method and the config's key it stands in."""
    for name in methods:
        if name not in METHODS:
            hint = f"; {HERE / name}.py declares no METHODS with this name"
            there = (HERE / f"{name}.py").is_file()
            raise FaithcamError(f"{key}: {unknown(name, METHODS)}{hint if there else ''}")


def supported(methods: Iterable[str], head: str) -> list[str]:
    """Return those of ``methods`` that can explain networks with ``head``."""
    return [name for name in methods if METHODS[name].supports(Network(head))[0]]


def exemplary(methods: list[str], controls: list[str], head: str) -> list[str]:
    """Return the maps to show examples of: the methods and the sham; all controls are too many."""
    return supported([*methods, *(name for name in controls if name == "sham")], head)


def with_needed(methods: Iterable[str]) -> list[str]:
    """Return these methods and those whose maps they start from, each once."""
    found: dict[str, None] = {}
    waiting = list(methods)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += [need for need in METHODS[name].needs if need in METHODS]
    return list(found)


def needs(methods: Iterable[str]) -> set[str]:
    """Return what the functions of ``methods``, and of those they start from, take in the end."""
    found: set[str] = set()
    for name in with_needed(methods):
        method = METHODS[name]
        found |= {*method.needs} - {*METHODS} - {*method.shared}
        found |= {need for make in method.shared.values() for need in parameters(make)}
    return found


def from_model(methods: Iterable[str]) -> list[str]:
    """Return those of ``methods`` whose map of any image, a noisy one say, comes from A alone.

    Others are baselines, take what belongs to the explained images themselves, or need passes of
    their own for every map.
    """
    return [
        name
        for name in methods
        if {"activations", "gradients"} & (taken := needs([name]))
        and not {"images", "model", "other_activations"} & taken
    ]


def files(methods: Iterable[str]) -> list[Path]:
    """Return the files that ``methods``, and those they start from, are declared in."""
    return sorted({_FILES[name] for name in with_needed(methods)})
