"""Provenance of a result: a hash of the code that made it, versions, machine, config."""

import ast
import functools
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from faithcam.core import plugins, registry, versions
from faithcam.results import files
from faithcam.results.checksums import checksum

PACKAGE = Path(__file__).parents[1]
INSTALLED = ("site-packages", "dist-packages")  # folders of installed packages


def code_version(script: Path, modules: Iterable[Path] = ()) -> str:
    """Return a hash of a script and of every module that it imports of this package or the user's.

    Comments, docstrings and formatting do not count, imports inside functions do. Libraries that
    are installed are named by the environment instead.

    Args:
        script: the one that a job runs.
        modules: further files, which it finds by their names in the config.
    """
    digest = hashlib.sha256()
    files = closure([script, *modules])
    # by name, not by folder: wherever the repository is, the hash is the same
    for _, content in sorted((path.name, _read(path)[0]) for path in files):
        digest.update(content)
    return digest.hexdigest()[:16]


def texts_version(files: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files, wherever their folder is."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def closure(roots: Iterable[Path]) -> set[Path]:
    """Return files and all modules that they import, of this package or the user's own.

    Installed packages are libraries, but for this one, plugins, and those that a root is part of.
    """
    files: set[Path] = set()
    waiting = [*roots]
    followed = {"", PACKAGE.name, *plugins.packages(), *map(_installed_in, waiting)}
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += (file for file in _read(path)[1] if _installed_in(file) in followed)
    return files


def _installed_in(file: Path) -> str:
    """Return the installed package, or module, that a file is part of; "" if it is in none."""
    *_, last = [-1, *(n for n, part in enumerate(file.parts) if part in INSTALLED)]
    return file.parts[last + 1].removesuffix(".py") if last >= 0 else ""


@functools.cache
def _read(path: Path) -> tuple[bytes, set[Path]]:
    """Return a hash of a module's code, and what it imports or reads: a YAML file of its name.

    Of another file, all of its content counts.
    """
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).digest(), set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    data = path.with_suffix(".yaml")
    files = {data} if data.is_file() else set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                files |= _files(alias.name)
        elif isinstance(node, ast.ImportFrom):
            names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
            for name in names:
                if node.level:
                    folder = path.parents[node.level - 1]
                    files |= _below(folder, name.split(".")) | _below(folder, ["__init__"])
                else:
                    files |= _files(name)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).digest(), files


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all statements in it that run: every snakemake call waits for this."""
    yield node
    for_types = isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"
    for block in ("body", "handlers", "orelse", "finalbody", "cases")[2 if for_types else 0 :]:
        for child in getattr(node, block, ()):
            yield from _statements(child)


def _name(node: ast.AST) -> str:
    """Return what an expression names, of a module or not; "" if it is no name."""
    return str(getattr(node, "id", getattr(node, "attr", "")))


def _files(name: str) -> set[Path]:
    """Return the files of a module's dotted name, which may end in a name that it defines."""
    top, *below = name.split(".")
    if top == PACKAGE.name:
        return _below(PACKAGE, below)
    spec = _found(top)
    if spec is None:
        return set()
    files = {Path(spec.origin)} if spec.origin and spec.origin.endswith(".py") else set()
    return files.union(*(_below(Path(f), below) for f in spec.submodule_search_locations or ()))


def _below(folder: Path, names: list[str]) -> set[Path]:
    """Return the modules and packages that a dotted name passes below a package's folder."""
    files = set()
    for name in names:
        files |= {folder / f"{name}.py", folder / name / "__init__.py"}
        folder = folder / name
    return {file for file in files if file.is_file()}


@functools.cache
def _found(top: str) -> ModuleSpec | None:
    """Return where a module or package is; None of Python's own and unknown ones."""
    if top in sys.stdlib_module_names:
        return None
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _git(*arguments: str) -> str | None:
    """Return git's answer about the repository of this package, or None without one."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def manifests(paths: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the contents of manifest.json files by data set, with the seed if it has several."""
    contents = [files.read_json(path) for path in paths]
    return {
        manifest["name"] + (f"/seed{manifest['seed']}" if "seed" in manifest else ""): manifest
        for manifest in contents
    }


def own_plugins() -> dict[str, dict[str, Any]]:
    """Return what each plugin declares, by the name of its module, and the sha256 of its code.

    Its code is the module, a metric's formulas beside it, and all that these import of the user's.
    """
    found: dict[str, dict[str, Any]] = {}
    for kind in registry.REGISTRIES:
        for name, declared in kind.declared.items():
            if declared.plugin is None:
                continue
            module = declared.module.__name__
            root = declared.file.parents[module.count(".")]
            formulas = declared.file.with_stem(declared.file.stem.removesuffix(plugins.SPEC))
            code = closure(file for file in (declared.file, formulas) if file.is_file())
            about = found.setdefault(
                module,
                {
                    "from": declared.plugin.where,
                    "distribution": declared.plugin.distribution,
                    "declares": [],
                    "sha256": {
                        _short(file, root): checksum(file, "sha256")
                        for file in sorted(code)
                        if not file.is_relative_to(PACKAGE)
                    },
                },
            )
            about["declares"].append(name)
    return found


def _short(file: Path, root: Path) -> str:
    """Return a file's name below a folder, or with its own folder where it is elsewhere."""
    below = file.is_relative_to(root)
    return (file.relative_to(root) if below else Path(*file.parts[-2:])).as_posix()


def record(
    config: Mapping[str, Any],
    data: Mapping[str, Mapping[str, Any]],
    networks: Iterable[Sequence[Any]],
    results: Iterable[str] = (),
    own: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what was run, with what and where.

    Args:
        config: the experiment's merged config.
        data: what :func:`manifests` returned.
        networks: data set, architecture, head and training seed of all that were asked for.
        results: files whose makers' versions are named, and those of all that they were made from.
        own: what :func:`own_plugins` returned.
    """
    for path in results:
        files.verified(path)
    named = (*versions.TOOLS, *versions.LIBRARIES)
    return {
        "config": dict(config),
        "data": dict(data),
        "networks": [list(network) for network in networks],
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": _git("status", "--porcelain"),
        "python": platform.python_version(),
        "libraries": {name: versions.version(name) for name in named},
        "plugins": dict(own or {}),
        "made_with": files.noted(),
        "platform": platform.platform(),
        "host": platform.node(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "executable": sys.executable,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpu() -> str:
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return answer.stdout.strip().replace("\n", ", ")


def write(path: Path, contents: Mapping[str, Any]) -> None:
    """Write a record as JSON, atomically."""
    with files.recorded(path) as temporary:
        temporary.write_text(json.dumps(contents, indent=2, sort_keys=True) + "\n")


def write_texts(paths: Iterable[str], texts: Iterable[str]) -> None:
    """Write texts, each atomically and with its record."""
    for path, text in zip(paths, texts, strict=True):
        with files.recorded(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
