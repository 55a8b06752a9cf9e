"""Declarations of methods, metrics, networks and collections: in the tree, and outside of it.

Each is a module that imports without torch and sets one constant. In the tree every file of a
folder is one. Others are plugins: modules that installed packages name as entry points
(``GROUPS``), and the files and folders in ``plugins`` of a config. No source text is parsed.
"""

import functools
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from types import ModuleType
from typing import Any, Generic, TypeVar

from faithcam.core.errors import FaithcamError

T = TypeVar("T")
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


@dataclass(frozen=True)
class Declared(Generic[T]):
    """A declaration of one name.

    Args:
        value: of the name.
        module: that declares it.
        file: of the module.
        plugin: that the module is; None in the tree.
    """

    value: T
    module: ModuleType
    file: Path
    plugin: Plugin | None = None


class Registry(MutableMapping[str, T]):
    """What the tree and all plugins declare of one kind: values by name, those of the tree first.

    Plugins are read when the first name is asked for, not when a registry is imported: they import
    modules that import registries.

    Args:
        package: see :func:`collect`, as the other arguments but one.
        constant: see there.
        kind: see there.
        advice: see there.
        lacking: see there.
        suffix: see there.
        check: what raises FaithcamError if declarations do not fit together.
    """

    def __init__(
        self,
        package: str,
        constant: str,
        kind: type[T],
        advice: str,
        lacking: list[str] | None = None,
        suffix: str = "",
        check: Callable[[dict[str, Declared[T]]], None] = lambda declared: None,
    ) -> None:
        self._tree = collect(package, constant, kind, advice, lacking, suffix)
        self._constant, self._kind, self._suffix, self._check = constant, kind, suffix, check
        self._check(self._tree)
        self._declared: dict[str, Declared[T]] = {}
        self._values: dict[str, T] = {}
        self._read: list[Plugin] | None = None
        REGISTRIES.append(self)

    @property
    def declared(self) -> dict[str, Declared[T]]:
        """Where each name comes from.

        Raises:
            FaithcamError: see :func:`use`.
        """
        found = _plugins()
        if self._read is not found:
            self._declared = dict(self._tree)
            for plugin in found:
                if self._constant in plugin.constants:
                    self._add(plugin)
            self._check(self._declared)
            self._values = {name: each.value for name, each in self._declared.items()}
            self._read = found
        return self._declared

    def _add(self, plugin: Plugin) -> None:
        name, place = plugin.module.__name__.rpartition(".")[2], f"{plugin.where}: {plugin.file}"
        if not name.endswith(self._suffix):
            raise FaithcamError(
                f"{place}: {self._constant} found, expected it in a file NAME{SPEC}.py, beside "
                f"NAME.py with the metric's score; {plugin.advice}"
            )
        value = getattr(plugin.module, self._constant, None)
        new = Declared(value, plugin.module, plugin.file, plugin)
        name = name.removesuffix(self._suffix)
        _add(self._declared, name, new, self._constant, self._kind, place, plugin.advice)

    @property
    def _all(self) -> dict[str, T]:
        _ = self.declared
        return self._values

    def __getitem__(self, name: str) -> T:
        return self._all[name]

    def __setitem__(self, name: str, value: T) -> None:
        self._all[name] = value

    def __delitem__(self, name: str) -> None:
        del self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return repr(self._all)


REGISTRIES: list[Registry[Any]] = []  # those that have been imported


def collect(
    package: str,
    constant: str,
    kind: type[T],
    advice: str,
    lacking: list[str] | None = None,
    suffix: str = "",
) -> dict[str, Declared[T]]:
    """Return what the files of a package declare by name, in the order of the files' names.

    Args:
        package: name of the package; its subpackages are left out, unless there is a suffix.
        constant: what every file sets: a value, named like its file, or a dict of values by name.
        kind: of the values.
        advice: what ends the errors: what a file there is for, and what to do.
        lacking: where files are noted that need something that is not installed; else they are
            errors.
        suffix: of the names of the files that are read, in subpackages too; no part of the names.

    Raises:
        FaithcamError: naming the file, if it cannot be imported, if the constant is missing or has
            another type, and if a name is taken or cannot be part of a path.
    """
    declarations: dict[str, Declared[T]] = {}
    (folder,) = map(Path, import_module(package).__path__)
    modules = (
        walk_packages([str(folder)], f"{package}.")
        if suffix
        else iter_modules([str(folder)], f"{package}.")
    )
    paths = (m.name for m in modules if not m.ispkg and m.name.endswith(suffix))
    for name, path in sorted((p.rpartition(".")[2].removesuffix(suffix), p) for p in paths):
        file = folder.joinpath(*path.removeprefix(f"{package}.").split(".")).with_suffix(".py")
        try:
            module = _imported(path, str(file), advice)
        except FaithcamError as error:
            if lacking is not None and isinstance(error.__cause__, ImportError):
                lacking.append(f"{file.name} cannot be imported ({error.__cause__})")
                continue
            raise
        declared = Declared(getattr(module, constant, None), module, file)
        _add(declarations, name, declared, constant, kind, str(file), advice)
    return declarations


def _imported(name: str, place: str, advice: str) -> ModuleType:
    try:
        return import_module(name)
    except FaithcamError:
        raise
    except (Exception, SystemExit) as error:
        raise FaithcamError(
            f"{place}: cannot be imported ({type(error).__name__}: {error}); {advice}"
        ) from error


def _add(
    declarations: dict[str, Declared[T]],
    name: str,
    declared: Declared[Any],
    constant: str,
    kind: type[T],
    place: str,
    advice: str,
) -> None:
    """Add what a module declares, by the names in its constant, or by its own."""
    found = declared.value
    values = found if isinstance(found, Mapping) else {name: found}
    for key, value in values.items():
        if not isinstance(value, kind):
            what = "missing" if value is None else f"{type(value).__name__} for {key}"
            raise FaithcamError(
                f"{place}: {constant} is {what}, expected {kind.__name__}(...) of "
                f"{kind.__module__}; {advice}"
            )
        if not re.fullmatch(r"[A-Za-z0-9_]+", key):
            raise FaithcamError(
                f"{place}: {key!r} found in {constant}, expected letters, digits and _, since "
                "names are parts of paths"
            )
        other = declarations.get(key)
        if other is not None and other.module is declared.module:
            continue  # an entry point of a package whose path is in the config, too
        if other is not None:
            raise FaithcamError(
                f"{place}: {constant} names {key}, as {other.file} does; rename one"
            )
        declarations[key] = Declared(value, declared.module, declared.file, declared.plugin)


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

    They are read at once by the registries that are imported, later by others.

    Args:
        config: the experiment's, not checked yet; its ``plugins`` are paths of ``.py`` files and of
            folders, all of whose modules are read but those whose names begin with ``_``, and the
            formulas of a metric beside its spec.

    Raises:
        FaithcamError: naming the path, if nothing is there, it cannot be imported, or it declares
            nothing or what is there already.
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
    for registry in REGISTRIES:
        len(registry)


def packages() -> set[str]:
    """Return the names of all plugins' packages, or of their modules that are in none."""
    paths = {_place(path).stem for path in _STATE.paths}
    return paths | {entry.module.partition(".")[0] for _, entry in _entry_points()}


def _plugins() -> list[Plugin]:
    if _STATE.plugins is None:
        _STATE.plugins = []  # for a plugin that asks a registry while it is imported
        try:
            of_paths = [plugin for path in _STATE.paths for plugin in _of_path(path)]
            _STATE.plugins = [*map(_of_entry, _entry_points()), *of_paths]
        except FaithcamError:
            _STATE.plugins = None
            raise
    return _STATE.plugins


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
    module = _imported(entry.value, f"{where}: {entry.value}", advice)
    return Plugin(module, (constant,), where, advice, distribution)


def _of_path(path: str) -> Iterator[Plugin]:
    where = f"plugins: {path}"
    place = _place(path)
    advice = "mend it or take it out of plugins"
    names = _modules(place, place.name) if place.is_dir() else [place.stem]
    nothing = True
    for name in names:
        module = _imported(name, f"{where}: {name}", advice)
        constants = tuple(each for each in GROUPS if getattr(module, each, None) is not None)
        nothing = nothing and not constants
        yield Plugin(module, constants, where, advice)
    if nothing:
        raise FaithcamError(
            f"{where}: declares nothing, expected one of {', '.join(GROUPS)}; {advice}"
        )


def _place(path: str) -> Path:
    return Path(os.path.abspath(path))  # a link keeps its name


def _modules(folder: Path, package: str) -> Iterator[str]:
    """Yield the names of a folder's modules but private ones, and metrics beside their specs."""
    found = {place.stem for place in folder.glob("*.py")}
    for place in sorted(folder.iterdir()):
        name = place.stem
        if not place.name.removesuffix(".py").isidentifier() or name.startswith("_"):
            continue
        if place.is_dir():
            yield from _modules(place, f"{package}.{name}")
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
    if not any(os.path.exists(each) and os.path.samefile(each, place) for each in there):
        other = there[0] if there else "another module"
        raise FaithcamError(f"plugins: {path}: Python's name {name} is taken by {other}; rename it")
