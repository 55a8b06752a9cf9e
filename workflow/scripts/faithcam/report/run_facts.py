"""Software and machine of a run, and the plugins, as the report shows them."""

from collections.abc import Mapping
from typing import Any

HIDDEN = ("host", "executable", "made_with", "networks", "sources")


def facts(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of a record of what was run, but for config, data and places."""
    shown: list[tuple[str, str]] = []
    for key, value in provenance.items():
        if key in ("config", "data", *HIDDEN):
            continue
        if key == "plugins":
            value = "; ".join(_plugin(*plugin) for plugin in value.items()) or "none"
        elif isinstance(value, Mapping):
            value = ", ".join(f"{name} {entry}" for name, entry in value.items())
        shown.append((key.replace("_", " "), str(value)))
    return shown


def _plugin(module: str, about: Mapping[str, Any]) -> str:
    names, where = ", ".join(about["declares"]), about["from"]
    hashes = ", ".join(f"{file} {digest}" for file, digest in about["sha256"].items())
    return f"{module} declares {names} ({where}; sha256: {hashes})"
