"""Declarations of methods, networks and collections: the files of a folder, all read.

Every file of such a folder is a declaration: a module that imports without torch and sets one
constant. No source text is parsed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from types import ModuleType
from typing import Generic, TypeVar

from faithcam.core.errors import FaithcamError

T = TypeVar("T")


@dataclass(frozen=True)
class Declared(Generic[T]):
    """A declaration of one name.

    Args:
        value: of the name.
        module: that declares it.
        file: of the module.
    """

    value: T
    module: ModuleType
    file: Path


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
            module = import_module(path)
        except FaithcamError:
            raise
        except Exception as error:
            if lacking is not None and isinstance(error, ImportError):
                lacking.append(f"{file.name} cannot be imported ({error})")
                continue
            raise FaithcamError(
                f"{file}: cannot be imported ({type(error).__name__}: {error}); {advice}"
            ) from error
        declared = getattr(module, constant, None)
        values = declared if isinstance(declared, Mapping) else {name: declared}
        for key, value in values.items():
            if not isinstance(value, kind):
                what = "missing" if value is None else f"{type(value).__name__} for {key}"
                raise FaithcamError(
                    f"{file}: {constant} is {what}, expected {kind.__name__}(...) of "
                    f"{kind.__module__}; {advice}"
                )
            if not re.fullmatch(r"[A-Za-z0-9_]+", key):
                raise FaithcamError(
                    f"{file}: {key!r} found in {constant}, expected letters, digits and _, since "
                    "names are parts of paths"
                )
            if key in declarations:
                raise FaithcamError(
                    f"{file}: {constant} names {key}, as {declarations[key].file} does; rename one"
                )
            declarations[key] = Declared(value, module, file)
    return declarations
