"""The case browser of the report: data, script, and the hash that the page's policy lets run."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from faithcam.figures.style import look, ordered
from faithcam.report.cases import TRUTH
from faithcam.report.estimand_names import estimand_name, in_order
from faithcam.results.declared import Evaluations

SCRIPT = Path(__file__).parent / "templates" / "cases.js"


def browser(cases: Mapping[str, Any], room: int, evaluations: Evaluations) -> dict[str, Any] | None:
    """Return what the template needs, or None if nothing fits.

    Args:
        cases: see :func:`faithcam.report.cases.collect`.
        room: bytes that the page has left; the first networks that fit are shown.
        evaluations: all that were declared.

    Returns:
        ``data`` (JSON), ``script``, ``hash`` (for the content security policy), and ``shown``,
        ``planned`` (networks) and ``most`` (cases of a network).
    """
    script = SCRIPT.read_text(encoding="utf-8")
    networks: list[Any] = []
    images: dict[str, Any] = {}
    room -= len(script) + 5000
    for network in cases["networks"]:
        keys = {case["image"] for case in network["cases"]} - set(images)
        new = {key: cases["images"][key] for key in sorted(keys)}
        room -= len(json.dumps([network, new]))
        if room < 0:
            break
        networks.append(network)
        images |= new
    if not networks:
        return None
    methods = {name for network in networks for name in network["cases"][0]["scores"]}
    shown = {name for network in networks for case in network["cases"] for name in case["maps"]}
    truths = in_order(name.removeprefix(TRUTH) for name in shown if name.startswith(TRUTH))
    methods |= {name for name in shown if not name.startswith(TRUTH)}
    data = {
        "datasets": cases["datasets"], "images": images, "networks": networks,
        "methods": [
            *([f"{TRUTH}{name}", f"Truth: {estimand_name(name)}"] for name in truths),
            *([name, look(name).name] for name in ordered(methods)),
        ],
        "metrics": [m | {"title": evaluations.title(m["metric"])} for m in cases["metrics"]],
    }  # fmt: skip
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "data": Markup(text), "script": Markup(script), "hash": f"sha256-{digest}",
        "shown": len(networks), "planned": cases["planned"],
        "most": max(len(network["cases"]) for network in networks),
    }  # fmt: skip
