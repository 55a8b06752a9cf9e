"""The example cases of several runs as those of one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faithcam.report.cases import BUDGET, in_turn


def joined(
    parts: Sequence[Mapping[str, Any]],
    places: Iterable[tuple[str, str, str]],
    columns: Sequence[tuple[str, str, str]],
) -> dict[str, Any]:
    """Return the cases of several runs as those of one, see :func:`faithcam.report.cases.collect`.

    Args:
        parts: the cases of each run.
        places: data set, model and ``seedN`` of all networks that there are.
        columns: (protocol, metric, setting) of the scores to show; what a run did not show is left
            empty.
    """
    found: dict[tuple[str, str, str], tuple[Mapping[str, Any], dict[str, Any]]] = {}
    for part in parts:
        shown = [(m["protocol"], m["metric"], m["setting"]) for m in part["metrics"]]
        moved = [shown.index(column) if column in shown else None for column in columns]
        for network in part["networks"]:
            model = f"{network['architecture']}-{network['head']}"
            place = (network["dataset"], model, f"seed{network['seed']}")
            found.setdefault(place, (part, _with_columns(network, moved)))
    cases: dict[str, Any] = {
        "metrics": [{"protocol": p, "metric": m, "setting": s} for p, m, s in columns],
        "datasets": {}, "images": {}, "networks": [], "planned": len(order := in_turn(places)),
    }  # fmt: skip
    size = 0
    for place in order:
        if place not in found:
            continue
        part, network = found[place]
        keys = [case["image"] for case in network["cases"] if case["image"] not in cases["images"]]
        images = {key: part["images"][key] for key in keys}
        size += len(json.dumps([network, images]))
        if size > BUDGET:
            break
        cases["images"] |= images
        cases["networks"].append(network)
        cases["datasets"][place[0]] = part["datasets"][place[0]]
    return cases


def _with_columns(network: Mapping[str, Any], moved: Sequence[int | None]) -> dict[str, Any]:
    """Return a network whose scores stand in other columns; None: where there are none."""

    def row(values: Sequence[float | None]) -> list[float | None]:
        return [None if place is None else values[place] for place in moved]

    def rows(scores: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
        return {method: row(values) for method, values in scores.items()}

    cases = [{**case, "scores": rows(case["scores"])} for case in network["cases"]]
    return {**network, "cases": cases, "means": rows(network["means"])}
