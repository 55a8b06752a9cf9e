"""Networks of timm whose specs ``make timm NAME=...`` measured, one YAML file each.

The files in ``faithcam/models/timm`` hold the network's name in timm and what
:class:`~faithcam.models.architecture.Architecture` says about its features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from faithcam.core.errors import FaithcamError
from faithcam.models.architecture import TIMM, Architecture, path_name

if TYPE_CHECKING:
    from torch import nn

FOLDER = Path(__file__).parents[1] / "timm"
FIELDS = [field for field in fields(Architecture) if field.name != "imagenet"]
KINDS = {"name": str} | {field.name: get_type_hints(Architecture)[field.name] for field in FIELDS}
NEEDED = ("name", *(field.name for field in FIELDS if field.default is MISSING))


def read(file: Path) -> tuple[str, Architecture]:
    """Return a network's name in timm and its spec.

    Raises:
        FaithcamError: if the file is no YAML, or a key is missing, unknown or of another type.
    """
    import yaml

    advice = "take the file away and measure the network anew: `make timm NAME=...`"
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
    name, spec = content["name"], {key: content[key] for key in content if key != "name"}
    if path_name(TIMM + name) != file.stem:
        raise FaithcamError(
            f"{file}: name: {name} found, whose file is {path_name(TIMM + name)}.yaml; {advice}"
        )
    return name, Architecture(**spec)


def spec_file(architecture: str) -> Path:
    """Return the file that holds the spec of an architecture."""
    return FOLDER / f"{architecture}.yaml"


ARCHITECTURES = {file.stem: read(file)[1] for file in sorted(FOLDER.glob("*.yaml"))}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    from faithcam.models import timm_nets

    return timm_nets.Features(read(spec_file(architecture))[0])
