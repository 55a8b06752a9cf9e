"""Collecting the shards' tables: concatenate, sort, reduce per image in float64, never by shard."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from faithcam.core.errors import FaithcamError
from faithcam.maps.tables import COMPLETENESS
from faithcam.metrics.tables import (
    CURVES,
    IMAGE_CURVES,
    IMAGE_CURVES_KEY,
    PART_SHAPLEY,
    PART_SHAPLEY_KEY,
    SCORES,
    SCORES_KEY,
)
from faithcam.results import io as tables
from faithcam.results.tables import CHECKS


def scores(files: Sequence[str], evaluations: pa.Table, unscored: Sequence[str] = ()) -> pa.Table:
    """Return all shards' scores, sorted (``SCORES``).

    Args:
        files: of all shards.
        evaluations: what was declared (``EVALUATIONS``).
        unscored: data sets that no metric of the experiment applies to.

    Raises:
        FaithcamError: if there are such data sets, two rows have the same key, or the rows of a
            network are not those that were declared.
    """
    if unscored:
        raise FaithcamError(
            f"metrics: none of those named applies to data set {', '.join(unscored)}, so there is "
            "nothing to compare; name others in metrics (aopc, say), make networks, maps and "
            "figures of maps alone (snakemake models maps), or leave it out of datasets"
        )
    try:
        table = tables.concatenate(map(tables.read_of_network, files), SCORES, SCORES_KEY)
    except ValueError as error:
        raise FaithcamError(
            f"scores: {error}; two shards or settings overlap, which is a bug"
        ) from error
    check_declared(table, evaluations)
    return table


def check_declared(scores: pa.Table, evaluations: pa.Table) -> None:
    """Raise FaithcamError if a network's rows are not those that were declared of it."""
    key = [*tables.IDENTITY, "protocol", "metric", "setting", "method"]
    counts = scores.group_by(key).aggregate([("image_id", "count")]).to_pylist()
    by_network: dict[tuple[Any, ...], dict[tuple[str, ...], int]] = {}
    for row in counts:
        network = tuple(row[name] for name in tables.IDENTITY)
        evaluation = tuple(row[name] for name in key[len(network) :])
        by_network.setdefault(network, {})[evaluation] = row["image_id_count"]
    declared: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for row in evaluations.to_pylist():
        of = declared.setdefault((row["dataset"], row["architecture"], row["head"]), set())
        of |= {(row["protocol"], row["metric"], row["setting"], m) for m in row["methods"]}
    for network, rows in by_network.items():
        expected = declared.get(network[:3], set())
        wrong = {
            "no evaluation declares": sorted(set(rows) - expected),
            "there are no scores of": sorted(expected - set(rows)),
            "not as many images as others of the metric:": _incomplete(rows),
        }
        for what, names in wrong.items():
            if names:
                named = "; ".join(" ".join(name) for name in names[:3])
                raise FaithcamError(
                    f"scores of {'/'.join(map(str, network))}: {what} {named} ({len(names)} in "
                    "all); the metric's spec and its score differ, or a file of scores is of "
                    "another run: run again with `--forcerun` and the metric's name"
                )


def _incomplete(rows: Mapping[tuple[str, ...], int]) -> list[tuple[str, ...]]:
    """Return the scores that are of fewer images than others of the same metric."""
    most: dict[str, int] = {}
    for (_, metric, *_), images in rows.items():
        most[metric] = max(most.get(metric, 0), images)
    return sorted(name for name, images in rows.items() if images < most[name[1]])


def checks(files: Sequence[str]) -> pa.Table:
    """Return one row per model and law: the sum of the images, the worst of the errors."""
    table = pa.concat_tables([tables.read_of_network(file) for file in files])
    table = table.group_by([*tables.IDENTITY, "check", "tolerance"]).aggregate(
        [("images", "sum"), ("worst", "max"), ("passed", "all")]
    )
    table = table.rename_columns(
        {"images_sum": "images", "worst_max": "worst", "passed_all": "passed"}
    )
    return tables.concatenate([table], CHECKS, [*tables.IDENTITY, "check"])


def curves(files: Sequence[str]) -> pa.Table:
    """Return each model's mean AOPC curves over the protocol's images (``CURVES``).

    The images are the correctly classified ones; strict leaves out, for all methods, those where a
    map is blank or constant. With several labels per image an image's curve is the mean over those
    of its findings that are left.
    """
    columns: dict[str, list[Any]] = {name: [] for name in CURVES.names}
    if files:
        table = tables.concatenate(
            map(tables.read_of_network, files),
            IMAGE_CURVES,
            IMAGE_CURVES_KEY,
        )
        keys = [*tables.IDENTITY, "protocol", "setting", "method"]
        finding = [*tables.IDENTITY, "setting", "image_id", "label", "protocol"]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for row, key in enumerate(zip(*(table[name].to_pylist() for name in keys), strict=True)):
            groups.setdefault(key, []).append(row)
        findings = list(zip(*(table[name].to_pylist() for name in finding), strict=True))
        statuses = zip(findings, table["status"].to_pylist(), strict=True)
        unusable = {key for key, status in statuses if key[-1] == "strict" and status != "ok"}
        used = np.array(table["correct"]) & np.array([key not in unusable for key in findings])
        drops, ids = table["drop"].to_numpy(), table["image_id"].to_numpy()
        for key, rows in groups.items():
            kept = [row for row in rows if used[row]]
            if not kept:
                continue
            curves = np.stack(drops[kept]).astype(np.float64)
            images, counts = np.unique(ids[kept], return_counts=True)
            if len(images) < len(kept):
                starts = np.cumsum(counts) - counts
                curves = np.add.reduceat(curves, starts) / counts[:, None]
            mean = curves.mean(axis=0).tolist()
            for name, value in zip(keys, key, strict=True):
                columns[name] += [value] * len(mean)
            columns["metric"] += ["aopc"] * len(mean)
            columns["step"] += range(len(mean))
            columns["mean"] += mean
            columns["images"] += [len(images)] * len(mean)
    rows = pa.table(columns, schema=CURVES)
    return tables.concatenate(
        [rows], CURVES, [*tables.IDENTITY, "protocol", "setting", "method", "step"]
    )


def completeness(files: Sequence[str]) -> pa.Table:
    """Return the sum of each method's map beside the score it should add up to.

    Args:
        files: stored maps (``MAPS``); baselines, which explain no score, are left out.

    Returns:
        ``COMPLETENESS``: the predicted class's logit, one row per model, method and image;
        with several labels per image one for each that it has.
    """
    parts = []
    for file in files:
        table = tables.read_of_network(file)
        predicted = pc.any(pc.equal(table["explained_class"], "predicted")).as_py()
        table = table.filter(
            (pc.field("explained_class") == ("predicted" if predicted else "label"))
            & (pc.field("explained_score") == "logit")
            & ~pc.is_nan(pc.field("score"))
        )
        sums = [float(cells.astype(np.float64).sum()) for cells in table["map"].to_numpy()]
        table = table.append_column("map_sum", pa.array(sums, pa.float64()))
        parts.append(table.append_column("score_minus_bias", table["score"]))
    return tables.concatenate(
        parts, COMPLETENESS, [*tables.IDENTITY, "method", "image_id", "class"]
    )


def part_shapley(files: Sequence[str]) -> pa.Table:
    """Return what the parts of all shards' images contribute, sorted (``PART_SHAPLEY``)."""
    return tables.concatenate(map(tables.read_of_network, files), PART_SHAPLEY, PART_SHAPLEY_KEY)
