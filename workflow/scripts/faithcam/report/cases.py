"""Example cases for the report's browser: images, masks, maps, predictions and scores of a few.

Nobody picks them: networks and images come in turn by a fixed rule, as many as the budget holds.
Of a volume one slice is shown: the one with most of what is explained, or the middle one. With
several labels per image a case is an image and one of its labels.
"""

import base64
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from faithcam.data.dataset import Dataset, open_dataset
from faithcam.results import io as tables
from faithcam.results.declared import STRICT, THESIS, Evaluations
from faithcam.results.files import recorded
from faithcam.statistics.settings import MODEL, where

Array = np.ndarray[Any, Any]
NetworkKey = tuple[str, str, str, int]

BUDGET = 8_000_000  # bytes of all cases; the page has its figures, too
TRUTH = "truth:"  # before an estimand's name: no method has such a name


def collect(files: Any, evaluations: Evaluations, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cases: as many networks as fit into ``BUDGET``, in the order of :func:`in_turn`.

    Args:
        files: with the names ``scores``, ``statistics``; ``predictions`` and ``manifests`` (one per
            network, in the same order); ``maps`` (of all networks, methods and shards) and
            ``truths`` (of all networks and shards).
        evaluations: all that were declared.
        settings: of the config: ``report``, and the ``metrics`` of all data sets.

    Returns:
        What the page's script reads: ``metrics`` (the settings of the scores shown), ``datasets``
        (classes, size, channels; ``multi_label``, ``slices``), ``images`` (by key: PNG and
        masks), ``networks`` (each with the ``cases`` of one network) and ``planned``, the number of
        networks that there are.
    """
    maps: dict[tuple[str, str, str], list[str]] = {}
    for file in files.maps:
        maps.setdefault(_place(Path(file).parent.parent), []).append(file)
    truths: dict[tuple[str, str, str], list[str]] = {}
    for file in files.truths:
        truths.setdefault(_place(Path(file).parent), []).append(file)
    folders = {
        _place(Path(prediction).parent): (prediction, Path(manifest).parent)
        for prediction, manifest in zip(files.predictions, files.manifests, strict=True)
    }
    columns = shown_settings(evaluations, settings["metrics"])
    means = tables.read(files.statistics).to_pandas()
    means = where(means, effect_name="mean", level="image")
    cases: dict[str, Any] = {
        "metrics": [{"protocol": p, "metric": m, "setting": s} for p, m, s in columns],
        "datasets": {}, "images": {}, "networks": [], "planned": len(folders),
    }  # fmt: skip
    size = 0
    for place in in_turn(folders):
        prediction, folder = folders[place]
        data = open_dataset(folder)
        network = _network(
            data, "/".join(folder.parts[-2:]), tables.read(prediction), maps[place],
            truths.get(place, []), settings,
        )  # fmt: skip
        _add_scores(network, files.scores, means, columns)
        images = {
            case["image"]: _image(data, case)
            for case in network["cases"]
            if case["image"] not in cases["images"]
        }
        size += len(json.dumps([network, images]))
        if size > BUDGET:
            break
        cases["images"] |= images
        cases["networks"].append(network)
        cases["datasets"][place[0]] = {
            "classes": list(data.classes), "size": data.size, "channels": data.channels,
            **({"multi_label": True} if data.multi_label else {}),
            **({"slices": data.slices} if data.slices else {}),
        }  # fmt: skip
    return cases


def write(path: Path | str, cases: Mapping[str, Any]) -> None:
    """Write the cases as JSON; the same cases give the same bytes."""
    with recorded(path) as temporary:
        text = json.dumps(cases, separators=(",", ":"), allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def shown_settings(evaluations: Evaluations, metrics: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (protocol, metric, setting) of the scores that stand beside a case."""
    by_protocol = {
        STRICT: evaluations.published_settings(metrics) | evaluations.further_settings(metrics),
        THESIS: evaluations.published_settings(metrics, THESIS),
    }
    return [
        (p, metric, str(s)) for p, chosen in by_protocol.items() for metric, s in chosen.items()
    ]


def in_turn(places: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return networks so that every beginning of the list has all data sets and architectures.

    The first seed of each model of each data set in turn, then the second seeds, and so on; data
    sets, models and seeds in the order in which they are given.
    """
    models: dict[str, dict[str, list[tuple[str, str, str]]]] = {}
    for place in places:
        models.setdefault(place[0], {}).setdefault(place[1], []).append(place)
    columns = [list(_interleaved(list(seeds.values()))) for seeds in models.values()]
    return list(_interleaved(columns))


def _interleaved(lists: Sequence[Sequence[Any]]) -> Iterator[Any]:
    for row in zip_longest(*lists):
        yield from (item for item in row if item is not None)


def choose(labels: Sequence[int], correct: Sequence[bool], count: int) -> list[int]:
    """Return which images to show: classes in turn, half of them errors if there are so many.

    Args:
        labels: true class of each explained image, in the order of image_ids.
        correct: whether it was classified correctly.
        count: how many to show.

    Returns:
        Positions, growing.
    """
    frame = pd.DataFrame({"label": labels, "correct": correct})
    frame["turn"] = frame.groupby(["correct", "label"]).cumcount()
    order = frame.sort_values(["turn", "label"], kind="stable")
    right, wrong = (order.index[order["correct"] == flag].tolist() for flag in (True, False))
    errors = max(min(len(wrong), count // 2), min(len(wrong), count - len(right)))
    return sorted(wrong[:errors] + right[: count - errors])


def _place(folder: Path) -> tuple[str, str, str]:
    """Return data set, model and seed of a folder .../{dataset}/{model}/seed{seed}."""
    dataset, model, seed = folder.parts[-3:]
    return dataset, model, seed


def _network(
    data: Dataset, folder: str, predictions: pa.Table, files: Sequence[str], truths: Sequence[str],
    settings: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return a network with its cases: the maps that the strict protocol explains, and truths."""
    explained_class, explained_score = (
        ("label", "logit") if data.multi_label else ("predicted", "centred")
    )
    wanted = (pc.field("explained_class") == explained_class) & (
        pc.field("explained_score") == explained_score
    )
    stored = pd.concat([tables.read_of_network(file, filters=wanted).to_pandas() for file in files])
    first = stored.iloc[0]
    known = _truths(truths)
    frame = _explained(data, predictions, stored)
    correct = frame["label"] == frame["predicted"]
    chosen = choose(frame["label"].tolist(), correct.tolist(), settings["report"]["cases"])
    cases = []
    for row in frame.iloc[chosen].to_dict("records"):
        of_image = stored[(stored["image_id"] == row["id"]) & (stored["class"] == row["class"])]
        of_image = of_image.sort_values("method")
        place = _shown(data, row["id"], row["label"])
        key = [f"{folder}/{row['id']}", *([row["label"]] if data.multi_label else [])]
        planes = (_plane(cells, data.slices, place.get("slice", 0)) for cells in of_image["map"])
        cases.append(
            {
                "id": row["id"], "image": "-".join(map(str, key)),
                "label": row["label"], "predicted": row["predicted"],
                "probability": round(row["probability"], 4), **place,
                "maps": dict(zip(of_image["method"], map(quantised, planes), strict=True))
                | known.get((row["id"], row["class"]), {}),
            }
        )  # fmt: skip
    return {
        **{name: first[name] for name in ("dataset", "architecture", "head")},
        "seed": int(first["seed"]), "cells": [int(first["height"]), int(first["width"])],
        "explained": len(frame), "correct": int(correct.sum()), "cases": cases,
    }  # fmt: skip


def _truths(files: Sequence[str]) -> dict[tuple[int, int], dict[str, Any]]:
    """Return what each cell contributes, of an image and class, by ``TRUTH`` and estimand."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    columns = ["image_id", "class", "estimand", "values"]
    for file in files:
        for row in tables.read_of_network(file).select(columns).to_pylist():
            of_image = found.setdefault((row["image_id"], row["class"]), {})
            of_image[f"{TRUTH}{row['estimand']}"] = quantised(np.array(row["values"]))
    return found


def _explained(data: Dataset, predictions: pa.Table, stored: pd.DataFrame) -> pd.DataFrame:
    """Return a row per explained image, or image and label, in the order of image_ids.

    Columns: ``id``, ``class`` explained, true ``label``, ``predicted`` (of a label -1 if it is not
    detected) and ``probability`` of the class explained.
    """
    pairs = stored[["image_id", "class"]].drop_duplicates().sort_values(["image_id", "class"])
    known = predictions.to_pandas().set_index("image_id").loc[pairs["image_id"]]
    rows = []
    for (image_id, label), row in zip(
        pairs.itertuples(index=False), known.to_dict("records"), strict=True
    ):
        if data.multi_label:
            answer = label if label in row["predicted"] else -1
        else:
            answer = row["predicted"]
        rows.append(
            {
                "id": int(image_id), "class": int(label), "predicted": int(answer),
                "label": int(label if data.multi_label else row["label"]),
                "probability": float(row["probabilities"][int(label)]),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _masks(data: Dataset, image_id: int, label: int) -> dict[str, Array]:
    """Return the masks of a case by name, (H, W) or (S, H, W): the label's own if it has any."""
    if data.finding_masks is not None:
        return {"lesion": data.finding_masks[image_id, label]}
    return {"lesion": data.masks[image_id]} | _parts(data, image_id)


def _shown(data: Dataset, image_id: int, label: int) -> dict[str, int]:
    """Return the ``slice`` of a volume to show; nothing of an image."""
    if not data.slices:
        return {}
    voxels = _masks(data, image_id, label)["lesion"].sum((1, 2), dtype=np.int64)
    return {"slice": int(voxels.argmax() if voxels.any() else data.slices // 2)}


def _plane(cells: Array, slices: int, place: int) -> Array:
    """Return the map of an image, or of one slice of a volume, row by row."""
    return cells.reshape(slices, -1)[place] if slices else cells


def quantised(values: Array) -> list[Any]:
    """Return a raw map as [its largest absolute value, base64 of int8], 127 for that value."""
    peak = float(np.abs(values).max())
    levels = np.rint(np.asarray(values, np.float64) * (127 / peak if peak else 0)).astype(np.int8)
    return [float(f"{peak:.4g}"), _text(levels.tobytes())]


def _image(data: Dataset, case: Mapping[str, Any]) -> dict[str, Any]:
    """Return a case's image as PNG, and its masks as packed bits, row by row."""
    place = case.get("slice", slice(None))
    pixels = data.images[case["id"]][place]
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
        buffer, "PNG", optimize=True
    )
    masks = {name: m[place] for name, m in _masks(data, case["id"], case["label"]).items()}
    packed = {name: _text(np.packbits(m > 0).tobytes()) for name, m in masks.items() if m.any()}
    return {"png": _text(buffer.getvalue()), "masks": packed}


def _parts(data: Dataset, image_id: int) -> dict[str, Array]:
    """Return the masks of planted parts, and of all decoys together, where the data set has any."""
    stored, names = getattr(data, "part_masks", None), getattr(data, "parts", None)
    if stored is None or not names:
        return {}
    masks = stored[image_id]
    planted = dict(zip(names, masks, strict=False))
    return planted | {"decoys": masks[len(names) :].any(axis=0)}


def _add_scores(
    network: dict[str, Any], scores: str, means: pd.DataFrame, columns: list[tuple[str, str, str]]
) -> None:
    """Add each case's scores, by method in the order of ``shown``, and the network's means."""
    key = {name: network[name] for name in MODEL}
    ids = [case["id"] for case in network["cases"]]
    shown = sorted({text for *_, text in columns})
    wanted = pc.field("image_id").isin(ids) & pc.field("setting").isin(pa.array(shown, pa.string()))
    for name, value in key.items():
        wanted &= pc.field(name) == value
    frame = tables.read(scores, filters=wanted).to_pandas()
    of_network = means[(means[MODEL].astype(str) == pd.Series(key).astype(str)).all(axis=1)]
    network["means"] = _by_method(of_network, "method_a", "estimate", columns)
    for case in network["cases"]:
        rows = where(frame, image_id=case["id"], label=case["label"])
        case["scores"] = _by_method(rows, "method", "value", columns)


def _by_method(
    rows: pd.DataFrame, method: str, value: str, columns: list[tuple[str, str, str]]
) -> dict[str, list[float | None]]:
    keys = zip(rows["protocol"], rows["metric"], rows["setting"], strict=True)
    place = {key: column for column, key in enumerate(columns)}
    scores: dict[str, list[float | None]] = {}
    for name, key, number in sorted(zip(rows[method], keys, rows[value], strict=True)):
        if key in place and np.isfinite(number):
            row = scores.setdefault(str(name), [None] * len(columns))
            row[place[key]] = float(f"{number:.4g}")
    return scores


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
