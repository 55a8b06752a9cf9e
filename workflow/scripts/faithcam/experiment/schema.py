"""The schema of a config, and what is wrong with a config by it, in words."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from faithcam.core.errors import likely
from faithcam.data import definitions as data
from faithcam.metrics import registry as measures

# keys of earlier versions, and what they are called now; keys in keys with a dot
RENAMED = {"shard_minutes": "images_per_job"}
# and those that are gone, and why
REMOVED = {
    "statistics.margins": "a margin in units of a score means something else on each network; "
    "statistics.parquet has the interval and the noise floor of each difference",
    "convergence": "the metric served the verdict alone; noise floors say what other noise changes",
    "validity": "the verdict that its thresholds belonged to is gone (docs/validity.md)",
}


def schema(file: Path) -> dict[str, Any]:
    """Return the schema with every source of images: the file's, then the published collections."""
    whole: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    definition = whole["properties"]["dataset_definitions"]["additionalProperties"]
    sources = definition["allOf"]
    for name, collection in data.COLLECTIONS.items():
        shape = copy.deepcopy(whole["$defs"]["collection"])
        for split in collection.fixed:
            del shape["properties"][split]
        shape["properties"] |= collection.options
        sources.append({"if": {"properties": {"source": {"const": name}}}, "then": shape})
    names = [source["if"]["properties"]["source"]["const"] for source in sources]
    definition["properties"] = {"source": {"enum": names}}
    return whole


def violations(config: Mapping[str, Any], file: Path) -> list[str]:
    """Return a sentence for each value of a config that the schema does not allow."""
    whole = schema(file)
    for name in measures.METRICS:  # a metric of the user's own may have a section, too
        whole["properties"].setdefault(name, {"type": "object"})
    errors = sorted(
        jsonschema.Draft202012Validator(whole).iter_errors(dict(config)),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    return [sentence for error in errors for sentence in _explain(error)]


def _explain(error: jsonschema.ValidationError) -> Iterable[str]:
    part: Any = error.schema
    where = ".".join(map(str, error.absolute_path))
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(part.get("properties", {}))
        for key in (key for key in value if key not in known):
            path = f"{where}.{key}" if where else key
            if path in RENAMED:
                yield f"{path}: a key of earlier versions; write {RENAMED[path]} instead"
            elif path in REMOVED:
                yield f"{path}: a key of earlier versions; leave it out: {REMOVED[path]}"
            else:
                hint = likely(str(key), known).strip() or f"known keys: {', '.join(known)}"
                yield f"{path}: unknown key; {hint}"
    elif error.validator == "required":
        yield f"{where or 'the file'}: {error.message}"
    elif error.validator == "enum":
        choices = ", ".join(map(str, part["enum"]))
        yield f"{where}: {value!r} found, expected one of: {choices}"
    elif error.validator == "type" and part["type"] == "array":
        yield f"{where}: {value!r} found, expected a list: [{value}]"
    else:
        described = part.get("description", "") if isinstance(part, dict) else ""
        yield f"{where}: {error.message}" + (f" ({described})" if described else "")
