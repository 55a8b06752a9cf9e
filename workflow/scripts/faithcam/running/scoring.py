"""A metric's job: the scores of a shard's maps, in one way for all metrics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Noise
from faithcam.metrics.evaluation import STANDARD, Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Rows, Scored, Scores
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.models.camnet import CamNet
from faithcam.results import io as tables
from faithcam.results.checks import Outcomes
from faithcam.running.network_truth import NetworkTruth
from faithcam.running.references import backgrounds, train_mean
from faithcam.running.shard import Batch, Shard, open_shard
from faithcam.running.stored_maps import StoredMaps

LABELLED = ("marker",)  # planted parts, beside the lesion, that a label may depend on


@dataclass(frozen=True)
class _BatchMaps:
    """The maps of a batch."""

    maps: StoredMaps
    batch: Batch

    def of(self, method: str, explained_class: str, explained_score: ExplainedScore) -> Tensor:
        """Return a method's raw maps."""
        return self.maps.of(self.batch, method, explained_class, explained_score)


class _NoMaps:
    """In place of stored maps, where a metric makes its own."""

    def of(self, method: str, explained_class: str, explained_score: ExplainedScore) -> Tensor:
        """Raise ValueError: there are none."""
        raise ValueError(f"{method}: its map is asked for, but maps of this metric are not stored")


class _Renderings(Sequence[Tensor]):
    """The renderings of a batch, each made a tensor when it is asked for."""

    def __init__(self, shard: Shard, image_ids: list[int]) -> None:
        self._shard, self._pixels = shard, shard.dataset.renderings_of(image_ids)

    def __len__(self) -> int:
        return int(self._pixels.shape[1])

    def __getitem__(self, place: Any) -> Any:
        return self._shard.tensor(self._pixels[:, place])


def score_shard(wildcards: Any, files: Any, settings: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Open a shard and score its maps by one metric.

    Args:
        wildcards: see :func:`faithcam.running.shard.open_shard`.
        files: see there; ``maps`` too, where the metric scores stored ones, and ``truth``, where it
            needs one.
        settings: see there, and :func:`scored`.
    """
    shard = open_shard(wildcards, files, settings)
    return scored(shard, files.maps, settings, NetworkTruth.open(shard, files, settings))


def scored(
    shard: Shard,
    map_files: Sequence[str],
    settings: Mapping[str, Any],
    truth: NetworkTruth | None = None,
) -> dict[str, pa.Table]:
    """Score the maps of a shard by one metric.

    Args:
        shard: the model and its images.
        map_files: stored maps that cover the shard; none where the metric makes its own.
        settings: what :meth:`faithcam.experiment.evaluations.Plan.settings` returns: the metric's
            name (``metric``), the ``module`` of its formulas, its ``evaluations`` as plain dicts,
            the ``options`` of its ``score``, the names of its further ``tables``, what it
            ``uses``, ``images``: how many it scores (0: all explained ones), and ``memory_mb``, if
            it removes regions.
        truth: of the network, where the metric needs it.

    Returns:
        ``scores`` (``SCORES``), then the further tables by name.

    Raises:
        FaithcamError: if a law is broken.
    """
    evaluations = [Evaluation.of(settings["metric"], e) for e in settings["evaluations"]]
    code = formulas(settings["module"])
    rows = ShardRows(
        shard, settings["metric"], settings["tables"], getattr(code, "schemas", dict)()
    )
    standard = _standard_images(shard) if "standard_images" in settings["uses"] else None
    with torch.inference_mode():
        for batch, inputs in inputs_of(shard, map_files, settings, standard, truth):
            print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
            rows.add(batch, code.score(inputs, evaluations, **settings["options"]))
    return rows.tables()


def formulas(module: str) -> ModuleType:
    """Import the module of a metric's formulas.

    Raises:
        FaithcamError: if it has no function ``score``.
    """
    code = import_module(module)
    if not callable(getattr(code, "score", None)):
        raise FaithcamError(
            f"{code.__file__}: no function score found, expected score(inputs, evaluations): Scores"
        )
    return code


def inputs_of(
    shard: Shard,
    map_files: Sequence[str],
    settings: Mapping[str, Any],
    standard: Tensor | None = None,
    truth: NetworkTruth | None = None,
) -> Iterator[tuple[Batch, Inputs]]:
    """Yield the micro-batches of a shard and what a metric is computed from.

    Args:
        shard: of the images.
        map_files: stored maps that cover it; none where the metric makes its own.
        settings: see :func:`score_shard`.
        standard: images on which networks with new weights are standardised.
        truth: of the network, where it is needed.
    """
    if settings["images"]:  # less padding
        shard = replace(shard, batch_size=min(shard.batch_size, settings["images"]))
    uses, dataset = settings["uses"], shard.dataset
    stored = StoredMaps(shard, map_files) if map_files else None
    kept: dict[Any, Any] = {}
    mean = train_mean(shard) if "train_mean" in uses and _imputes_mean(settings) else None
    for batch in shard.batches():
        more: dict[str, Any] = {k: settings[k] for k in ("memory_mb",) if k in settings}
        if "masks" in uses:
            more["masks"] = _masks(shard, batch)
        if "renderings" in uses and dataset.renderings is not None:
            more["renderings"] = _Renderings(shard, batch.image_ids)
        if "background_images" in uses:
            more["backgrounds"] = backgrounds(shard, batch.image_ids, "aopc backgrounds")
        if mean is not None:
            more["train_mean"] = mean
        if truth is not None:
            more["truth"] = truth.of(batch.image_ids)
            more["truth_of_others"] = truth.of_others(batch.image_ids)
        if "part_masks" in uses and dataset.part_masks is not None:
            masks = torch.from_numpy(dataset.part_masks[batch.image_ids])
            more["part_masks"] = masks.to(shard.device)
        yield (
            batch,
            Inputs(
                shard.model,
                batch.images,
                batch.predicted,
                _BatchMaps(stored, batch) if stored else _NoMaps(),
                Noise(shard.streams, batch.image_ids, shard.device),
                batch.labels,
                batch.answers,
                shard.multi_label,
                dataset.channels,
                parts=tuple(dataset.parts),
                standard_images=standard,
                given=_given(shard, batch),
                first=shard.first + batch.rows.start == 0,
                kept=kept,
                **more,
            ),
        )


def _imputes_mean(settings: Mapping[str, Any]) -> bool:
    """Return whether anything is replaced by the training images' mean, which takes all of them."""
    asked = [Evaluation.of(settings["metric"], e) for e in settings["evaluations"]]
    options = settings["options"]
    named = {e.setting.get("imputer", "") for e in asked} | {options.get("imputer")}
    if methods_of(asked):  # on candidates nothing is occluded
        named |= {*options.get("references", {}).values()}
    return "train_mean" in named


def _given(shard: Shard, batch: Batch) -> Any:
    def given(methods: Sequence[str], network: CamNet) -> dict[str, Any]:
        return shard.given(batch, methods, network)

    return given


def _standard_images(shard: Shard) -> Tensor:
    """Return some images of the validation split, spread over all of it."""
    ids = shard.dataset.split("val")
    some = np.unique(np.linspace(0, len(ids) - 1, STANDARD).astype(int))
    return shard.tensor(shard.dataset.images[ids[some]])


def _masks(shard: Shard, batch: Batch) -> dict[str, Tensor]:
    """Return the masks by name, (B, H, W) bool, or (B, S, H, W).

    With several labels per image ``lesion`` is the finding explained.
    """
    dataset = shard.dataset
    masks = {"lesion": dataset.masks[batch.image_ids]}
    if dataset.finding_masks is not None:
        findings = zip(batch.image_ids, batch.labels.tolist(), strict=True)
        masks["lesion"] = np.stack([dataset.finding_masks[place] for place in findings])
    for i, part in enumerate(dataset.parts):
        if part in LABELLED and dataset.part_masks is not None:
            masks[part] = dataset.part_masks[batch.image_ids, i]
    return {
        name: torch.from_numpy(np.ascontiguousarray(mask)).bool().to(shard.device)
        for name, mask in masks.items()
    }


class ShardRows:
    """The tables of a shard, filled a batch at a time; padding is dropped.

    Args:
        shard: of the images.
        metric: name of the metric.
        names: of its further tables; ``checks`` are laws.
        schemas: of these tables, and the columns that name a row of them.
    """

    def __init__(
        self,
        shard: Shard,
        metric: str,
        names: Sequence[str],
        schemas: Mapping[str, tuple[pa.Schema, Sequence[str]]],
    ) -> None:
        self._identity = asdict(shard.identity)
        self._metric, self._names = metric, list(names)
        self._scores = tables.Collector(SCORES, SCORES_KEY)
        self._more = {n: tables.Collector(*schemas[n]) for n in names if n != "checks"}
        self._outcomes = Outcomes(shard.identity)

    def add(self, batch: Batch, scores: Scores) -> None:
        """Add what a metric gave for a batch.

        Raises:
            FaithcamError: if a law is broken.
        """
        checks = [check.first(batch.count) for check in scores.checks]
        self._outcomes.add(checks, batch.image_ids[: batch.count])
        for scored in scores.scored:
            self._add_scores(batch, scored)
        for name, parts in scores.rows.items():
            for part in parts:
                self._add_rows(name, batch, part)

    def _of_images(self, batch: Batch, places: Sequence[int]) -> dict[str, Any]:
        columns = {"label": batch.labels, "predicted": batch.answers, "correct": batch.correct}
        lists = {name: values.tolist() for name, values in columns.items()}
        lists["image_id"] = batch.image_ids
        return {name: [values[place] for place in places] for name, values in lists.items()}

    def _add_scores(self, batch: Batch, scored: Scored) -> None:
        numbers = scored.values.double().tolist()[: batch.count]
        statuses = list(scored.statuses)[: batch.count]
        undefined = [s == "undefined" or x != x for s, x in zip(statuses, numbers, strict=True)]
        values = [float("nan") if u else x for u, x in zip(undefined, numbers, strict=True)]
        said = [
            "undefined" if u and s == "ok" else s for u, s in zip(undefined, statuses, strict=True)
        ]
        self._scores.add(
            batch.count,
            {
                **self._identity,
                **self._of_images(batch, range(batch.count)),
                "metric": self._metric,
                "protocol": scored.evaluation.protocol,
                "setting": str(scored.evaluation.setting),
                "method": scored.method,
                "value": values,
                "status": said,
            },
        )

    def _add_rows(self, name: str, batch: Batch, part: Rows) -> None:
        kept = [i for i, place in enumerate(part.places) if place < batch.count]
        columns = {
            column: [values[i] for i in kept] if isinstance(values, list) else values
            for column, values in part.columns.items()
        }
        images = self._of_images(batch, [part.places[i] for i in kept])
        self._more[name].add(len(kept), {**self._identity, **images, **columns})

    def tables(self) -> dict[str, pa.Table]:
        """Return the scores, then the further tables in the order of their names."""
        further = {name: rows.table() for name, rows in self._more.items()}
        checks = self._outcomes.table()
        named = {name: further.get(name, checks) for name in self._names}
        return {"scores": self._scores.table(), **named}
