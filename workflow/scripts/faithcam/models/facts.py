"""Files of measured facts: what ``make measure`` found out about a network, one YAML file each.

Such a file holds the name that the network has in ``architectures``, what
:class:`~faithcam.models.architecture.Architecture` says of it and, of a network of the user's own,
the version of the code that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import get_type_hints

from faithcam.core.errors import FaithcamError
from faithcam.models.architecture import Architecture, path_name

FIELDS = [field for field in fields(Architecture) if field.name != "imagenet"]
KINDS = {"name": str, "code": str}
KINDS |= {field.name: get_type_hints(Architecture)[field.name] for field in FIELDS}
NEEDED = ("name", *(field.name for field in FIELDS if field.default is MISSING))


@dataclass(frozen=True)
class Facts:
    """What is known of a measured network.

    Args:
        name: that it has in ``architectures``.
        spec: of it.
        code: version of the user's code that was measured; "" of a library's network.
    """

    name: str
    spec: Architecture
    code: str = ""


def read(file: Path) -> Facts:
    """Return the facts in a file.

    Raises:
        FaithcamError: if the file is no YAML, or a key is missing, unknown or of another type.
    """
    import yaml

    advice = "measure the network anew: `make measure NAME=...`"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaithcamError(f"{file}: cannot be read as YAML: {error}; {advice}") from error
    if not isinstance(content, Mapping):
        raise FaithcamError(
            f"{file}: {type(content).__name__} found, expected keys and values; {advice}"
        )
    problems = [f"{key} is missing" for key in NEEDED if key not in content]
    for key, value in content.items():
        if key not in KINDS:
            problems.append(f"{key} is unknown, expected one of {', '.join(KINDS)}")
        elif type(value) is not KINDS[key]:
            problems.append(f"{key}: {value!r} found, expected {KINDS[key].__name__}")
    if problems:
        raise FaithcamError(f"{file}: {'; '.join(problems)}; {advice}")
    spec = {key: value for key, value in content.items() if key not in ("name", "code")}
    if path_name(content["name"]) != file.stem:
        raise FaithcamError(
            f"{file}: name: {content['name']} found, whose file is "
            f"{path_name(content['name'])}.yaml; {advice}"
        )
    return Facts(content["name"], Architecture(**spec), content.get("code", ""))
