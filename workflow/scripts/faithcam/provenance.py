"""What a result came from: a hash of the code that made it, versions, machine, config."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from faithcam.tables import atomic_path

PACKAGE = Path(__file__).parent
LIBRARIES = (
    "snakemake", "torch", "torchvision", "timm", "numpy", "pandas", "scipy", "scikit-learn",
    "statsmodels", "pyarrow", "captum", "matplotlib", "pillow", "pydicom", "pooch", "safetensors",
)  # fmt: skip


def code_version(script: Path, modules: Iterable[Path] = ()) -> str:
    """Return a hash of a script and of every module of this package that it imports.

    Comments, docstrings and formatting do not count, imports inside functions do.

    Args:
        script: the one that a job runs.
        modules: further ones, which it finds by their names in the config.
    """
    digest = hashlib.sha256()
    roots = {script, *modules}
    for path in sorted(roots | _closure(roots)):
        digest.update(_read(path)[0])
    return digest.hexdigest()[:16]


def texts_version(files: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files, wherever their folder is."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _closure(roots: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    waiting = list(roots)
    while waiting:
        for path in _read(waiting.pop())[1] - found:
            found.add(path)
            waiting.append(path)
    return found


@functools.cache
def _read(path: Path) -> tuple[bytes, set[Path]]:
    """Return a hash of a module's code, and the modules of this package that it imports.

    Of another file, all of its content counts.
    """
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).digest(), set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    files = set()
    for name in names:
        top, *rest = name.split(".")
        if top == "faithcam" and rest:
            module = PACKAGE.joinpath(*rest).with_suffix(".py")
            if module.is_file():
                files.add(module)
    return hashlib.sha256(ast.dump(tree).encode()).digest(), files


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all statements in it: every snakemake call waits for this."""
    yield node
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, block, ()):
            yield from _statements(child)


def _git(*arguments: str) -> str | None:
    """Return git's answer about the repository of this package, or None without one."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def manifests(files: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the contents of manifest.json files by data set, with the seed if it has several."""
    contents = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    return {
        manifest["name"] + (f"/seed{manifest['seed']}" if "seed" in manifest else ""): manifest
        for manifest in contents
    }


def record(config: Mapping[str, Any], data: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was run, with what and where.

    Args:
        config: the experiment's merged config.
        data: what :func:`manifests` returned.
    """
    return {
        "config": dict(config),
        "data": dict(data),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": _git("status", "--porcelain"),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
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
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(contents, indent=2, sort_keys=True) + "\n")
