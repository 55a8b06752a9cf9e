"""Registries: what is declared of each kind, in the tree and by plugins.

A declaration is a module that imports without torch and sets one constant. In the tree every file
of a folder is one. No source text is parsed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from types import ModuleType
from typing import Any, Generic, TypeVar

from faithcam.core import plugins
from faithcam.core.errors import FaithcamError
from faithcam.core.plugins import SPEC, Plugin, imported

T = TypeVar("T")


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
            FaithcamError: see :func:`faithcam.core.plugins.use`.
        """
        found = plugins.found()
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
            module = imported(path, str(file), advice)
        except FaithcamError as error:
            if lacking is not None and isinstance(error.__cause__, ImportError):
                lacking.append(f"{file.name} cannot be imported ({error.__cause__})")
                continue
            raise
        declared = Declared(getattr(module, constant, None), module, file)
        _add(declarations, name, declared, constant, kind, str(file), advice)
    return declarations


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
        if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z0-9_]+", key):
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
