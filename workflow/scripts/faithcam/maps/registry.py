"""Every map method by name: what the files of ``faithcam.maps.methods``, and plugins, declare.

Importing this module does not import torch, unless a method's file does, so that a config can be
checked before any job.
"""

from collections.abc import Iterable
from pathlib import Path

from faithcam.core.errors import FaithcamError, unknown
from faithcam.core.registry import Declared, Registry
from faithcam.maps.method import INPUTS, ExplainedNetwork, Method, parameters

CHECKS = "checks"  # the folder of checks stands beside those of maps


def check_needs(methods: dict[str, Declared[Method]]) -> None:
    """Raise FaithcamError if a method needs what is not there, or in the end itself."""
    for name, declared in methods.items():
        if name in (*INPUTS, CHECKS):
            raise FaithcamError(
                f"{declared.file}: {name} is the name of something else that stands beside maps; "
                "give the method another one"
            )
        method = declared.value
        taken = {need for make in method.shared.values() for need in parameters(make)}
        known = {*INPUTS, *methods, *method.shared}
        if missing := sorted({*method.needs, *taken} - known):
            raise FaithcamError(
                f"{declared.file}: {name} needs {', '.join(missing)}, which is neither another "
                f"method nor one of {', '.join(INPUTS)}"
            )
    for name, declared in methods.items():
        _order(name, {key: each.value for key, each in methods.items()}, declared.file)


def _order(name: str, methods: dict[str, Method], file: Path, above: tuple[str, ...] = ()) -> None:
    if name in above:
        raise FaithcamError(
            f"{file}: {' needs '.join((*above, name))}: a map cannot start from itself"
        )
    for need in methods[name].needs:
        if need in methods:
            _order(need, methods, file, (*above, name))


METHODS = Registry(
    "faithcam.maps.methods",
    "METHODS",
    Method,
    "every file there holds map methods: mend it or take it away",
    check=check_needs,
)


def check(methods: Iterable[str], key: str = "methods", given: Iterable[str] = ()) -> None:
    """Raise FaithcamError naming the first unknown method and the config's key it stands in.

    Args:
        methods: the names.
        key: that they stand in.
        given: names of maps that were made elsewhere.
    """
    choices = [*METHODS, *given]
    for name in methods:
        if name not in choices:
            raise FaithcamError(f"{key}: {unknown(name, choices)}")


def known(methods: Iterable[str]) -> list[str]:
    """Return those of ``methods`` that are made here; the others are names of given maps."""
    return [name for name in methods if name in METHODS]


def given(methods: Iterable[str]) -> list[str]:
    """Return those of ``methods`` that are names of maps that were made elsewhere."""
    return [name for name in methods if name not in METHODS]


def supported(methods: Iterable[str], head: str) -> list[str]:
    """Return those of ``methods`` that can explain networks with ``head``; given maps do."""
    return [
        name
        for name in methods
        if name not in METHODS or METHODS[name].supports(ExplainedNetwork(head))[0]
    ]


def exemplary(methods: list[str], controls: list[str], head: str) -> list[str]:
    """Return the maps to show examples of: the methods and the sham; all controls are too many."""
    return supported([*methods, *(name for name in controls if name == "sham")], head)


BESIDE_TRUTH = ("hirescam", "gradcam", "expected_hirescam", "layercam", "sham")


def beside_truth(methods: list[str], controls: list[str], head: str) -> list[str]:
    """Return the maps to show examples of beside the truth: of ``BESIDE_TRUTH``, and given ones."""
    there = supported([*methods, *controls], head)
    return [*(name for name in BESIDE_TRUTH if name in there), *given(there)]


def with_needed(methods: Iterable[str]) -> list[str]:
    """Return these methods and those whose maps they start from, each once."""
    needed: dict[str, None] = {}
    waiting = list(methods)
    while waiting:
        name = waiting.pop(0)
        if name not in needed and name in METHODS:  # what given maps are made of is not known
            needed[name] = None
            waiting += [need for need in METHODS[name].needs if need in METHODS]
    return list(needed)


def needs(methods: Iterable[str]) -> set[str]:
    """Return what the functions of ``methods``, and of those they start from, take in the end."""
    taken: set[str] = set()
    for name in with_needed(methods):
        method = METHODS[name]
        taken |= {*method.needs} - {*METHODS} - {*method.shared}
        taken |= {need for make in method.shared.values() for need in parameters(make)}
    return taken


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


def remade(methods: Iterable[str]) -> list[str]:
    """Return those of ``methods`` whose maps are made again of a network with new weights.

    Others remove all cells in many orders for every map: too many passes for a metric.
    """
    return [name for name in known(methods) if "backgrounds" not in needs([name])]


def files(methods: Iterable[str]) -> list[Path]:
    """Return the files that ``methods``, and those they start from, are declared in."""
    return sorted({METHODS.declared[name].file for name in with_needed(methods)})
