"""Plugins: declarations outside of the tree (:mod:`faithcam.core.registry`).

They are modules that installed packages name as entry points (``GROUPS``), and the files and
folders in ``plugins`` of a config.
"""

import functools
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from faithcam.core.errors import FaithcamError

# groups of entry points, by the constant that their modules set
GROUPS = {
    "METHODS": "faithcam.methods",
    "METRIC": "faithcam.metrics",
    "ARCHITECTURES": "faithcam.networks",
    "COLLECTION": "faithcam.collections",
}
SPEC = "_spec"  # ends the names of modules that set METRIC; the metric's formulas lie beside them


@dataclass(frozen=True)
class Plugin:
    """A module outside the tree.

    Args:
        module: imported.
        constants: that are read of it.
        where: what names it: an entry point, or the config's key with a path.
        advice: what ends errors about it.
        distribution: that it was installed with, and its version; "" of a path.
    """

    module: ModuleType
    constants: tuple[str, ...]
    where: str
    advice: str
    distribution: str = ""

    @property
    def file(self) -> Path:
        """The file of the module."""
        return Path(str(self.module.__file__))


@dataclass
class _State:
    """The plugins of this process.

    Args:
        paths: of the config.
        plugins: None before they are read.
    """

    paths: list[str] = field(default_factory=list)
    plugins: list[Plugin] | None = None


_STATE = _State()


def use(config: Mapping[str, Any]) -> None:
    """Take the plugins that a config names, beside those of installed packages.

    They are read when a registry is asked for a name.

    Args:
        config: the experiment's, not checked yet; its ``plugins`` are paths of ``.py`` files and of
            folders, all of whose modules are read but those whose names begin with ``_``, and the
            formulas of a metric beside its spec.

    Raises:
        FaithcamError: naming the path, if nothing is there or something else has its name; when it
            is read, if it cannot be imported, or declares nothing or what is there already.
    """
    paths = config.get("plugins", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise FaithcamError(
            f"plugins: {paths!r} found, expected a list of paths of .py files and folders"
        )
    if paths != _STATE.paths:
        for path in paths:
            _make_importable(path)
        _STATE.paths, _STATE.plugins = list(paths), None


def packages() -> set[str]:
    """Return the names of all plugins' packages, or of their modules that are in none."""
    paths = {_place(path).stem for path in _STATE.paths}
    return paths | {entry.module.partition(".")[0] for _, entry in _entry_points()}


def found() -> list[Plugin]:
    """Return all plugins, read when this is first asked; the same list until :func:`use`.

    Raises:
        FaithcamError: see :func:`use`.
    """
    if _STATE.plugins is None:
        _STATE.plugins = []  # for a plugin that asks a registry while it is imported
        try:
            of_paths = [plugin for path in _STATE.paths for plugin in _of_path(path)]
            _STATE.plugins = [*map(_of_entry, _entry_points()), *of_paths]
        except FaithcamError:
            _STATE.plugins = None
            raise
    return _STATE.plugins


def imported(name: str, place: str, advice: str) -> ModuleType:
    """Return a module by its name.

    Args:
        name: of the module.
        place: that names it in the error.
        advice: what ends the error.

    Raises:
        FaithcamError: if it cannot be imported.
    """
    try:
        return import_module(name)
    except FaithcamError as error:
        raise FaithcamError(f"{place}: {error}; {advice}") from error
    except (Exception, SystemExit) as error:
        raise FaithcamError(
            f"{place}: cannot be imported ({type(error).__name__}: {error}); {advice}"
        ) from error


@functools.cache
def _entry_points() -> list[tuple[str, metadata.EntryPoint]]:
    installed = metadata.entry_points()
    return [
        (constant, entry)
        for constant, group in GROUPS.items()
        for entry in sorted(installed.select(group=group), key=lambda entry: entry.name)
    ]


def _of_entry(found: tuple[str, metadata.EntryPoint]) -> Plugin:
    constant, entry = found
    distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
    where = f"entry point {entry.name} of {entry.group} ({distribution})"
    advice = f"a module that declares {constant} is expected: mend the package or uninstall it"
    module = imported(entry.value, f"{where}: {entry.value}", advice)
    return Plugin(module, (constant,), where, advice, distribution)


def _of_path(path: str) -> Iterator[Plugin]:
    where = f"plugins: {path}"
    place = _place(path)
    advice = "mend it or take it out of plugins"
    names = _modules(place, place.name) if place.is_dir() else [place.stem]
    nothing = True
    for name in names:
        module = imported(name, f"{where}: {name}", advice)
        file = os.path.realpath(str(module.__file__))
        if os.path.commonpath([file, os.path.realpath(place)]) != os.path.realpath(place):
            raise FaithcamError(f"{where}: Python finds {file} by the name {name}; rename one")
        constants = tuple(each for each in GROUPS if getattr(module, each, None) is not None)
        nothing = nothing and not constants
        yield Plugin(module, constants, where, advice)
    if nothing:
        raise FaithcamError(
            f"{where}: declares nothing, expected one of {', '.join(GROUPS)}; {advice}"
        )


def _place(path: str) -> Path:
    return Path(os.path.abspath(path))  # a link keeps its name


def _modules(folder: Path, package: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of a folder's modules but private ones, and metrics beside their specs."""
    if (real := os.path.realpath(folder)) in seen:  # a link to a folder above it
        return
    found = {place.stem for place in folder.glob("*.py")}
    for place in sorted(folder.iterdir()):
        name = place.stem
        if not place.name.removesuffix(".py").isidentifier() or name.startswith("_"):
            continue
        if place.is_dir():
            yield from _modules(place, f"{package}.{name}", (*seen, real))
        elif place.suffix == ".py" and name + SPEC not in found:
            yield f"{package}.{name}"


def _make_importable(path: str) -> None:
    """Let Python find the file or folder of a path by its name, behind all that it finds already.

    Raises:
        FaithcamError: if nothing is there, or something else has that name.
    """
    place = _place(path)
    if not place.is_dir() and not (place.is_file() and place.suffix == ".py"):
        raise FaithcamError(
            f"plugins: {path}: not found, expected a .py file or a folder of them; paths are "
            f"relative to the working directory, {Path.cwd()}"
        )
    name = place.name if place.is_dir() else place.stem
    if not name.isidentifier():
        raise FaithcamError(
            f"plugins: {path}: {name!r} found, expected a name that Python can import, of letters, "
            "digits and _; rename it"
        )
    if str(place.parent) not in sys.path:
        sys.path.append(str(place.parent))
    importlib.invalidate_caches()
    try:
        spec = find_spec(name)
    except ValueError:  # a module without one
        spec = None
    found = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    there = [each for each in found if each]
    if place.is_dir() and spec and spec.origin:  # a package's __init__.py
        there = [each for each in there if each != spec.origin]
    others = [e for e in there if not (os.path.exists(e) and os.path.samefile(e, place))]
    if others or not there:  # folders without __init__.py are one package, wherever they are
        other = others[0] if others else "another module"
        raise FaithcamError(f"plugins: {path}: Python's name {name} is taken by {other}; rename it")
