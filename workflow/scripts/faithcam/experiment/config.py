"""Reading an experiment's config, and checking it before anything runs."""

import json
import os.path
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from faithcam.core.errors import DAMAGED, FaithcamError, reason
from faithcam.experiment.problems import problems
from faithcam.experiment.schema import violations

# keys whose values are paths, wherever they stand
PATHS = ("results", "resources", "path", "masks")


def read(files: Sequence[Path | str]) -> dict[str, Any]:
    """Return the config that Snakemake makes of these files: each is merged over those before it.

    Dictionaries are merged key by key, anything else is replaced; then it is :func:`normalised`.

    Raises:
        FaithcamError: if a file is missing, is no YAML with keys at its top, or has a key twice.
    """
    config: dict[str, Any] = {}
    for file in files:
        config = merged(config, _content(file))
    return normalised(config)


def _content(file: Path | str) -> dict[str, Any]:
    """Return what a file says: JSON or, like Snakemake, YAML 1.1."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        try:
            content = json.loads(text, object_pairs_hook=lambda pairs: _each_once(file, pairs))
        except ValueError:
            loader = _Loader(text)
            loader.name = str(file)
            content = loader.get_single_data()
    except FileNotFoundError:
        raise FaithcamError(f"{file}: no such config file; check CONFIG or the path") from None
    except OSError as error:
        raise FaithcamError(f"{file}: cannot be read: {error.strerror}; check the path") from None
    except yaml.YAMLError as error:
        raise FaithcamError(f"{file}: cannot be read as YAML: {error}") from None
    except (*DAMAGED, AttributeError) as error:  # also a tag whose value is none of its kind
        raise FaithcamError(f"{file}: cannot be read as YAML: {reason(error)}") from None
    try:
        json.dumps(content, default=str, skipkeys=True, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        what = "no text" if isinstance(error, UnicodeError) else "a part that holds itself"
        raise FaithcamError(
            f"{file}: {what} found ({reason(error)}), expected keys and values; write them out"
        ) from None
    if not isinstance(content, dict):
        raise FaithcamError(
            f"{file}: {type(content).__name__} found, expected keys and values, e.g. "
            "`results: results/mine`"
        )
    return content


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not silently the last one."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:  # what `<<` brings is not among them yet, and may be replaced
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines and key.tag != "tag:yaml.org,2002:merge":
                where = f" in lines {lines[name]} and {line}"
                raise FaithcamError(_twice(self.name, key.value, where))
            lines[name] = line
        return node


def _each_once(file: Path | str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise FaithcamError(_twice(file, name))
    return dict(pairs)


def _twice(file: Path | str, key: str, where: str = "") -> str:
    return f"{file}: key {key} found twice{where}, but only the last one counts; keep one"


def merged(config: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with another merged over it, as Snakemake merges them."""
    result = dict(config)
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def normalised(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config in which what means the same is written the same.

    Paths have no ``./``, no double and no last slash, since Snakemake takes ``x/`` and ``x`` for
    two folders; whole numbers are integers (``32.0``), since they become names of files and
    settings; what ``maps_from`` names is among the methods, if not among the controls.

    Args:
        config: merged, not yet checked: anything may stand in it.
    """
    result = {key: _normalised(key, value) for key, value in config.items()}
    for key in ("trained_weights", "maps_from"):
        if isinstance(named := result.get(key), dict):
            result[key] = {name: _path(path) for name, path in named.items()}
    if isinstance(plugins := result.get("plugins"), list):
        result["plugins"] = [_path(place) for place in plugins]
    given, methods, controls = (result.get(key) for key in ("maps_from", "methods", "controls"))
    if isinstance(given, dict) and isinstance(methods, list) and isinstance(controls, list):
        result["methods"] = [*methods, *(n for n in given if n not in [*methods, *controls])]
    return result


def _normalised(key: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {below: _normalised(below, part) for below, part in value.items()}
    if isinstance(value, list):
        return [_normalised(None, part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _path(value) if key in PATHS else value


def _path(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    path = os.path.normpath(value)
    return f"/{path.lstrip('/')}" if path.startswith("/") else path


def ordered(value: Any) -> Any:
    """Return a part of a config with sorted keys: their order depends on how files were given."""
    if isinstance(value, Mapping):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def validate(config: Mapping[str, Any], schema_file: Path) -> None:
    """Check a merged config: types and ranges by the schema, then what keys say together.

    Raises:
        FaithcamError: naming every wrong key, what was found, what was expected.
    """
    wrong = violations(config, schema_file) or list(dict.fromkeys(problems(config)))
    if wrong:
        raise FaithcamError("config: " + "\n  ".join(wrong))


def main(files: Sequence[str]) -> int:
    """Read config files, as the make targets do before Snakemake, whose errors name no file.

    Returns:
        The exit code.
    """
    try:
        read(files)
    except FaithcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
