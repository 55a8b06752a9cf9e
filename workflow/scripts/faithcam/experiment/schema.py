"""The schema of a config, and what is wrong with a config by it, in words."""

import copy
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from faithcam.core.errors import likely
from faithcam.data import definitions as data
from faithcam.experiment.values import expected, hint, show
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


@cache
def _of_file(file: Path) -> dict[str, Any]:
    whole: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return whole


def schema(file: Path) -> dict[str, Any]:
    """Return the schema with every source of images: the file's, then the published collections."""
    whole = copy.deepcopy(_of_file(file))
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


def defaults(file: Path) -> dict[str, Any]:
    """Return the config of all defaults: what stands in config.yaml beside names and folders."""

    def of(part: Mapping[str, Any]) -> Any:
        if "default" in part:
            return copy.deepcopy(part["default"])
        below = {name: of(each) for name, each in part.get("properties", {}).items()}
        return {name: value for name, value in below.items() if value is not None}

    found: dict[str, Any] = of(_of_file(file))
    return found


@cache
def _with_metrics(file: Path, metrics: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema in which a metric of the user's own may have a section, too."""
    whole = schema(file)
    for name in metrics:
        whole["properties"].setdefault(name, {"type": "object"})
    return whole


def violations(config: Mapping[str, Any], file: Path) -> list[str]:
    """Return a sentence for each key or value of a config that the schema does not allow."""
    if wrong_keys := list(_no_text(config)):
        return wrong_keys
    whole = _with_metrics(file, tuple(measures.METRICS))
    absent = [key for key in whole["required"] if key not in config]
    sentences: dict[str, str] = {}  # the first of each key
    errors = sorted(
        _Validator(whole).iter_errors(dict(config)),
        key=lambda error: ([str(part) for part in error.absolute_path], error.validator != "type"),
    )
    for error in errors:
        if not (absent and error.validator == "required"):
            for where, sentence in _explain(error, whole):
                sentences.setdefault(where, sentence)
    for where in _not_finite(config):  # also in sections of the user's own metrics
        sentences.setdefault(where, f"{where}: nan or inf found, expected a number")
    if absent:
        base = file.resolve().parents[2] / "config.yaml"
        few = ", ".join(absent[:3]) + f" and {len(absent) - 3} more" * (len(absent) > 3)
        sentences[""] = (
            f"{few}: missing; config.yaml has all keys, and other files are merged over it: give "
            f"it first, e.g. --configfile {base} mine.yaml"
        )
    return list(sentences.values())


def _whole(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(_: Any, value: Any) -> bool:
    return _whole(_, value) or (isinstance(value, float) and math.isfinite(value))


def _enum(_: Any, choices: Any, value: Any, part: Any) -> Iterator[jsonschema.ValidationError]:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        yield jsonschema.ValidationError("none of the choices")


# JSON Schema takes 32.0 for an integer and for one of [28, 32], and NaN passes every bound
_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    {"enum": _enum},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _whole, "number": _number}
    ),
)


def _no_text(part: Any, where: str = "") -> Iterator[str]:
    """Yield what is wrong with keys that YAML does not read as text."""
    for key, value in part.items() if isinstance(part, Mapping) else ():
        path = f"{where}{key}"
        if not isinstance(key, str):
            kind = "true or false" if isinstance(key, bool) else type(key).__name__
            kind = {"int": "a number", "float": "a number", "NoneType": "nothing"}.get(kind, kind)
            yield (
                f"{path}: unknown key; YAML reads it as {kind}, but keys are text: put it into "
                "quotes as it stands in your file"
            )
        yield from _no_text(value, f"{path}.")


def _not_finite(part: Any, where: str = "") -> Iterator[str]:
    """Yield the places of numbers that are none."""
    pairs = part.items() if isinstance(part, Mapping) else enumerate(part)
    for key, value in pairs:
        if isinstance(value, Mapping | list):
            yield from _not_finite(value, f"{where}{key}.")
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{where}{key}"


def _explain(error: jsonschema.ValidationError, whole: Any) -> Iterable[tuple[str, str]]:
    """Yield the place of each wrong key or value, and a sentence."""
    part: Any = error.schema
    where = ".".join(map(str, error.absolute_path))
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(part.get("properties", {}))
        for key in (key for key in value if key not in known):
            path = f"{where}.{key}" if where else key
            if path in RENAMED:
                yield path, f"{path}: a key of earlier versions; write {RENAMED[path]} instead"
            elif path in REMOVED:
                yield (
                    path,
                    f"{path}: a key of earlier versions; leave it out: {REMOVED[path]}",
                )
            else:
                yield path, f"{path}: unknown key; {_guess(key, where, known, whole)}"
    elif error.validator == "required":
        for key in part["required"]:
            if key not in value:
                path, shapes = f"{where}.{key}", part.get("properties", {})
                needed = expected(shapes.get(key, part.get("additionalProperties")), whole)
                yield path, f"{path}: missing, expected {needed}"
    elif error.validator == "propertyNames" or "propertyNames" in error.absolute_schema_path:
        about = f"expected {expected(part, whole)}"
        yield f"{where}.{value}", f"{where}: {show(value)} found as a name, {about}"
    elif error.validator == "uniqueItems":
        twice = next(item for item in value if value.count(item) > 1)
        yield where, f"{where}: {show(twice)} found twice, expected each once"
    elif error.validator in ("minItems", "maxItems"):
        bound = f"at {'least' if error.validator == 'minItems' else 'most'} {error.validator_value}"
        yield where, f"{where}: a list of {len(value)} found, expected {bound}"
    else:
        wanted = expected(part, whole)
        yield where, f"{where}: {show(value)} found, expected {wanted}{hint(value, part, whole)}"


def _guess(key: str, where: str, known: list[str], whole: Any) -> str:
    """Return what an unknown key may have been meant to be."""
    places: dict[str, list[str]] = {}
    for path in paths(whole):
        places.setdefault(path.rsplit(".", 1)[-1], []).append(path)
    here = [path for path in places.get(key, []) if path.startswith(f"{where}.")]
    if found := here or places.get(key):
        return f"did you mean {' or '.join(found)}?"
    if near := likely(key, known) or likely(key, places):
        name = re.sub(r"did you mean (.*)\? ", r"\1", near)
        return f"did you mean {name if name in known else ' or '.join(places[name])}?"
    return f"known keys: {', '.join(known)}"


def paths(whole: Mapping[str, Any]) -> list[str]:
    """Return all keys of the schema, keys in keys with a dot; NAME stands for a data set's."""

    def below(part: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for name, inner in part.get("properties", {}).items():
            yield prefix + name
            yield from below(inner, f"{prefix}{name}.")

    found = list(below({"properties": whole["properties"]}, ""))
    definition = whole["properties"]["dataset_definitions"]["additionalProperties"]
    for choice in definition["allOf"]:
        shape = choice["then"]
        shape = whole["$defs"][shape["$ref"].rsplit("/", 1)[-1]] if "$ref" in shape else shape
        own = (name for name in shape["properties"] if name not in whole["properties"])
        found += [f"dataset_definitions.NAME.{name}" for name in own]
    return list(dict.fromkeys(found))
