"""Reading an experiment's config, and checking it before anything runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from faithcam.core.errors import FaithcamError
from faithcam.experiment.problems import problems
from faithcam.experiment.schema import violations


def read(files: Sequence[Path | str]) -> dict[str, Any]:
    """Return the config that Snakemake makes of these files: each is merged over those before it.

    Dictionaries are merged key by key, anything else is replaced.

    Raises:
        FaithcamError: if a file is missing or is no YAML with keys at its top.
    """
    config: dict[str, Any] = {}
    for file in files:
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FaithcamError(f"{file}: no such config file; check CONFIG or the path") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise FaithcamError(f"{file}: cannot be read as YAML: {error}") from None
        if not isinstance(content, dict):
            raise FaithcamError(
                f"{file}: {type(content).__name__} found, expected keys and values, e.g. "
                "`results: results/mine`"
            )
        config = merged(config, content)
    return config


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
