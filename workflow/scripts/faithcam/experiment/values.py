"""Values of a config in words: found, expected by the schema, and what may have been meant."""

import math
import re
from collections.abc import Mapping
from typing import Any

LONGEST = 80  # letters of a value that errors show

BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {},",
    "maximum": "to {}",
    "exclusiveMaximum": "to below {}",
    "multipleOf": "in steps of {}",
}


def show(value: Any) -> str:
    """Return a value as an error shows it: short, and nearly as YAML writes it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def resolved(part: Any, whole: Mapping[str, Any]) -> Any:
    """Return a part of a schema with what it refers to."""
    if isinstance(part, Mapping) and "$ref" in part:
        return whole["$defs"][part["$ref"].rsplit("/", 1)[-1]] | part
    return part


def expected(part: Any, whole: Mapping[str, Any]) -> str:
    """Return in words what a part of a schema lets through."""
    part = resolved(part, whole)
    if not isinstance(part, Mapping):
        return "a value"
    if "enum" in part:
        return f"one of: {', '.join(map(str, part['enum']))}"
    if "const" in part:
        return str(part["const"])
    if "anyOf" in part:
        return " or ".join(expected(choice, whole) for choice in part["anyOf"])
    if "pattern" in part:
        return str(part.get("expected", f"text like {part['pattern']}"))
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "object": "keys and values",
        "array": "a list",
    }
    bounds = [text.format(part[key]) for key, text in BOUNDS.items() if key in part]
    return " ".join([kinds.get(part.get("type", ""), "a value"), *bounds]).rstrip(",")


def hint(value: Any, part: Any, whole: Mapping[str, Any]) -> str:
    """Return the end of an error about a value: what may have been meant, or ""."""
    part = resolved(part, whole)
    kinds = {part.get("type")} | {choice.get("type") for choice in part.get("anyOf", [])}
    if "array" in kinds:
        single = value is not None and not isinstance(value, list | Mapping)
        return f": [{value}]" if single else ""
    if isinstance(value, str) and kinds & {"integer", "number"}:
        return _of_number(value.strip())
    texts = "string" in kinds or any(isinstance(choice, str) for choice in part.get("enum", []))
    if texts and isinstance(value, bool):
        return "; YAML reads yes, no, on and off as true and false: put it into quotes"
    if texts and isinstance(value, int | float):
        return f"; put it into quotes: '{show(value)}'"
    return ""


def _of_number(text: str) -> str:
    """Return what to write in place of a text that was meant as a number."""
    power = re.fullmatch(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)", text)
    if power:
        whole, rest, sign, exponent = power.groups()
        number = f"{whole}{rest if rest and len(rest) > 1 else '.0'}e{sign or '+'}{exponent}"
        return f"; YAML takes {text} for text: write {number}"
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        return ""
    return "; write it without quotes" if finite else ""
