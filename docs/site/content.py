"""What the site says that the code says already: config keys, columns, captions, errors.

Nothing here needs the site's generator, so the project's own tests can read it.
"""

import ast
import html
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
PACKAGE = SCRIPTS / "faithcam"
FIGURES = ROOT / "docs" / "figures"
CAPTIONS = ROOT / "workflow" / "report"
sys.path[:0] = [str(SCRIPTS), str(Path(__file__).parent)]

from rule_graph import rule_graph

from faithcam.experiment import schema as config_schema

# modules of each topic of the API reference: names or folders of the package
TOPICS = {
    "library": ("library",),
    "maps": ("maps",),
    "networks": ("models",),
    "metrics": ("metrics", "removal", "truth"),
    "statistics": ("statistics",),
    "validity": ("validity",),
    "data": ("data",),
    "report": ("report", "figures"),
    "workflow": (".*",),
}


# --- config keys ---------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Return the JSON schema of the config."""
    return config_schema.schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")


def config() -> str:
    """Return the tables of all config keys, from the schema."""
    whole = schema()
    plain = {k: v for k, v in whole["properties"].items() if "properties" not in v}
    parts = [_keys(plain, whole)]
    for name, part in whole["properties"].items():
        if "properties" in part:
            rows = dict(_leaves(part["properties"], f"{name}."))
            parts.append(f"## `{name}`\n\n{part['description']}\n\n{_keys(rows, whole)}")
    parts.append("## Keys of `dataset_definitions`")
    for choice in whole["properties"]["dataset_definitions"]["additionalProperties"]["allOf"]:
        source = choice["if"]["properties"]["source"]["const"]
        part = _resolved(choice["then"], whole)
        rows = [
            f"| `{key}` | {_of_data_set(key, about, whole)} | {allowed(about, whole)} | "
            f"{'yes' if key in part['required'] else ''} |"
            for key, about in part["properties"].items()
            if key != "source"
        ]
        header = f"`source: {source}`\n\n| key | meaning | allowed | needed |\n|---|---|---|---|\n"
        parts.append(header + "\n".join(rows))
    return "\n\n".join(parts)


def _of_data_set(key: str, part: Any, whole: Mapping[str, Any]) -> str:
    if key in whole["properties"]:
        return "Instead of the experiment's."
    return _text(_resolved(part, whole).get("description", ""))


def _resolved(part: Any, whole: Mapping[str, Any]) -> Any:
    if "$ref" in part:
        return whole["$defs"][part["$ref"].removeprefix("#/$defs/")] | part
    return part


def _leaves(properties: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, part in properties.items():
        if "properties" in part:
            yield from _leaves(part["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, part


def _keys(rows: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    lines = ["| key | meaning | default | allowed |", "|---|---|---|---|"]
    for name, part in rows.items():
        default = f"`{_written(part['default'])}`" if "default" in part else ""
        meaning = _text(part["description"])
        lines.append(f"| `{name}` | {meaning} | {default} | {allowed(part, whole)} |")
    return "\n".join(lines)


def allowed(part: Any, whole: Mapping[str, Any], many: bool = False) -> str:
    """Return in words what a part of the schema lets through; of the items of a list, ``many``."""
    part = _resolved(part, whole)
    if "const" in part or "enum" in part:
        choices = part.get("enum", [part.get("const")])
        return ", ".join(f"`{_written(choice)}`" for choice in choices)
    if "anyOf" in part:
        return " or ".join(allowed(choice, whole, many) for choice in part["anyOf"])
    kind = part["type"]
    if kind == "array":
        least = part.get("minItems", 0)
        how_many = {0: ", may be empty,", 1: ""}.get(least, f" of at least {least}")
        different = "different " if part.get("uniqueItems") else ""
        return f"list{how_many} of {different}{allowed(part['items'], whole, many=True)}"
    if kind == "object":
        return "keys and values"
    if kind == "boolean":
        return "`true`, `false`"
    names = {"integer": "whole number", "number": "number", "string": "name" if many else "text"}
    return names[kind] + "s" * many + _range(part)


def _range(part: Mapping[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": "&gt;", "maximum": "≤", "exclusiveMaximum": "&lt;"}
    bounds = [f"{sign} {part[key]:,}" for key, sign in words.items() if key in part]
    return f" {' and '.join(bounds)}" if bounds else ""


def _written(value: Any) -> str:
    """Return a value as it is written in a config file."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)


def _text(text: str) -> str:
    """Return plain text as Markdown; a command's options are code."""
    text = re.sub(r"(?<![\w`])--[a-z-]+", r"`\g<0>`", html.escape(text, quote=False))
    return text.replace("|", "\\|")


# --- result tables -------------------------------------------------------------------------------


def schemas() -> dict[str, pa.Schema]:
    """Return the Parquet schemas of all rooms' ``tables.py`` by their names there."""
    found = {}
    for path in sorted(PACKAGE.rglob("tables.py")):
        name = ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)
        found |= {n: s for n, s in vars(import_module(name)).items() if isinstance(s, pa.Schema)}
    return found


def columns(name: str) -> str:
    """Return the columns of a result table with their types and meanings.

    Raises:
        ValueError: if there is no such table.
    """
    if name not in schemas():
        raise ValueError(f"no table {name!r}, only {', '.join(schemas())}")
    lines = ["| column | type | meaning |", "|---|---|---|"]
    for field in schemas()[name]:
        kind = re.sub(r"list<\w+: (\w+)>", r"list of \1", str(field.type))
        kind = {"string": "text", "bool": "true or false"}.get(kind, kind)
        lines.append(f"| `{field.name}` | {kind} | {_text(field.metadata[b'meaning'].decode())} |")
    return "\n".join(lines)


# --- figures -------------------------------------------------------------------------------------


def gallery() -> str:
    """Return every kind of figure with the images of it in ``docs/figures`` and its caption."""
    with_images, others = [], []
    for kind, title in _figure_kinds().items():
        lines = [f"## {title}", ""]
        images = sorted(FIGURES.glob(f"{kind}-*.png"))
        for image in images:
            lines += [f"![{title}, {image.stem}](figures/{image.name})", ""]
        caption = (CAPTIONS / f"{kind}.rst").read_text(encoding="utf-8").strip()
        lines += [f"`figures/{kind}-*.png`", "", _text(caption), ""]
        if not images:
            lines += ["*No picture of it is kept in the repository; a run draws it.*", ""]
        (with_images if images else others).append("\n".join(lines))
    return "\n".join(with_images + others)


def _figure_kinds() -> dict[str, str]:
    """Return the title of each kind of figure, in the report's order, from its source.

    Read, not imported: the report needs packages that a build of this site does not have.
    """
    tree = ast.parse((PACKAGE / "report" / "figure_titles.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FIGURES":
            titles: dict[str, str] = ast.literal_eval(node.value)
            return titles
    raise ValueError("faithcam/report/figure_titles.py: no FIGURES")


# --- API -----------------------------------------------------------------------------------------


def modules() -> dict[str, list[str]]:
    """Return the package's modules by topic; each is in the first one that names it."""
    left = sorted(
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    )
    found = {}
    for topic, names in TOPICS.items():
        found[topic] = [m for name in names for m in left if _is_of(m, name)]
        left = [m for m in left if m not in found[topic]]
    return found


def _is_of(module: str, name: str) -> bool:
    return re.fullmatch(rf"({name})(/.+)?", module) is not None


def api(topic: str) -> str:
    """Return the modules of a topic, for autodoc to fill."""
    parts = []
    for module in modules()[topic]:
        name = f"faithcam.{module.replace('/', '.')}"
        parts.append(f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n```")
    return "\n\n".join(parts)


# --- error messages ------------------------------------------------------------------------------


def messages() -> dict[str, list[str]]:
    """Return the error messages that users can see, by file; what is filled in is written ``…``."""
    found: dict[str, list[str]] = {}
    for name, tree in _sources().items():
        texts = [text for node in ast.walk(tree) for text in _messages_of(node)]
        if texts := [text for text in dict.fromkeys(texts) if len(text.replace("…", "")) > 10]:
            found[name] = texts
    return found


def strings() -> list[str]:
    """Return every text in the workflow's code, docstrings aside; see :func:`messages`."""
    found = []
    for tree in _sources().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = None
        found += [text for text in map(_text_of, ast.walk(tree)) if text.strip("…")]
    return found


def _sources() -> dict[str, ast.AST]:
    """Return the workflow's Python, and of its rules what they raise, parsed, by file."""
    found: dict[str, ast.AST] = {}
    workflow = ROOT / "workflow"
    for path in sorted([*workflow.rglob("*.py"), *workflow.rglob("*.smk")]):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".smk":
            raised = r"^ *raise (WorkflowError\(.*?\))(?: from \w+)?$"
            text = "\n".join(re.findall(raised, text, re.M | re.S))
        found[path.relative_to(workflow).as_posix()] = ast.parse(text)
    return found


def _messages_of(node: ast.AST) -> Iterator[str]:
    """Yield what a node says to users: an error, or a problem that is yielded to become one."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ("FaithcamError", "UnreadableError", "WorkflowError", "exit", "_fail"):
            yield from map(_text_of, node.args)
    elif isinstance(node, ast.Yield) and node.value and ": " in _text_of(node.value):
        yield _text_of(node.value)


def _text_of(node: ast.AST) -> str:
    """Return a text as it is shown, ``…`` for all that is not written in the code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text_of, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text_of(node.left) + _text_of(node.right)
    return "…"


def all_messages() -> str:
    """Return a list of all messages, by file."""
    parts = []
    for file, texts in messages().items():
        lines = "\n".join(f"- {_text(text.replace('`', ''))}" for text in texts)
        parts.append(f"**`{file}`**\n\n{lines}")
    return "\n\n".join(parts)


FILLED = {
    "config keys": config,
    "columns": columns,
    "api": api,
    "gallery": gallery,
    "all messages": all_messages,
}


def filled(text: str) -> str:
    """Return a page with its ``<!-- insert NAME: ARGUMENT -->`` filled in, and rule graphs drawn.

    Raises:
        ValueError: if a name is unknown.
    """

    def found(match: re.Match[str]) -> str:
        name, argument = match[1], match[2]
        if name not in FILLED:
            raise ValueError(f"insert {name!r} is unknown; choose from {', '.join(FILLED)}")
        return FILLED[name](*[argument] if argument else [])

    text = re.sub(r"^```mermaid\n(.*?)^```$", lambda m: rule_graph(m[1]), text, flags=re.M | re.S)
    return re.sub(r"<!-- insert ([^:]+?)(?:: (.+?))? -->", found, text)
