"""Scores of candidates by all metrics: maps whose distance from the truth is known.

Concordance asks whether they say which map is nearer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam.core.explained import ExplainedScore
from faithcam.maps.explain import maps_of
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results.io import concatenate
from faithcam.running.network_truth import NetworkTruth
from faithcam.running.scoring import ShardRows, formulas, inputs_of
from faithcam.running.shard import Shard, open_shard
from faithcam.validity.candidates import of_truths

FAITHFUL = "hirescam"  # which some metrics hold maps against


@dataclass(frozen=True)
class _Candidates:
    """Maps by name, the same of every class and score; beside them the network's HiResCAM."""

    maps: Mapping[str, Tensor]
    inputs: Inputs

    def of(self, method: str, explained_class: str, explained_score: ExplainedScore) -> Tensor:
        """Return a candidate, or HiResCAM as it is asked for."""
        if method != FAITHFUL:
            return self.maps[method]
        x = self.inputs
        given = x.labels if explained_class == "label" else None
        classes = x.classes if given is None else given
        activations = x.network.activations(x.images)
        return maps_of(x.network, activations, classes, [method], explained_score)[method]


def score_candidates(wildcards: Any, files: Any, settings: Mapping[str, Any]) -> pa.Table:
    """Score the candidates of a shard by every metric that is asked, one after another.

    Args:
        wildcards: see :func:`faithcam.running.shard.open_shard`.
        files: see there; ``truth`` of the network, all shards, too.
        settings: see there, and :meth:`faithcam.experiment.evaluations.Plan.candidate_settings`.

    Returns:
        Scores (``SCORES``), whose methods are the candidates' names.

    Raises:
        FaithcamError: if a law is broken.
    """
    tables = []
    for metric in settings["metrics"]:
        print(metric["metric"], flush=True)
        own = {**settings, **metric, "images": settings["images"]}
        shard = open_shard(wildcards, files, own)
        truth = NetworkTruth.open(shard, files, own)
        if truth is None:
            raise ValueError(f"uses: {own['uses']} found, expected truth among them")
        tables.append(scored_candidates(shard, truth, own))
    return concatenate(tables, SCORES, SCORES_KEY)


def scored_candidates(shard: Shard, truth: NetworkTruth, settings: Mapping[str, Any]) -> pa.Table:
    """Score the candidates of a shard by one metric.

    Args:
        shard: the model and its images.
        truth: of the network.
        settings: of :func:`faithcam.running.scoring.scored`, of the evaluations that are asked
            about candidates, and ``estimands``, ``steps`` and ``draws`` of
            :func:`faithcam.validity.candidates.damaged`.

    Returns:
        Scores (``SCORES``). Where the truth of an image is not resolved its candidates are
        undefined.
    """
    evaluations = [Evaluation.of(settings["metric"], e) for e in settings["evaluations"]]
    code, rows = formulas(settings["module"]), ShardRows(shard, settings["metric"], [], {})
    with torch.inference_mode():
        for batch, inputs in inputs_of(shard, [], settings, truth=truth):
            print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
            maps = of_truths(
                inputs.truth,
                inputs.noise,
                settings["estimands"],
                settings["steps"],
                settings["draws"],
            )
            asked = [replace(e, methods=tuple(maps)) for e in evaluations]
            scores = code.score(
                replace(inputs, maps=_Candidates(maps, inputs)), asked, **settings["options"]
            )
            rows.add(batch, _resolved(scores, inputs))
    return rows.tables()["scores"]


def _resolved(scores: Scores, inputs: Inputs) -> Scores:
    """Return the scores alone, undefined where the truth that a candidate is made of is."""
    kept = Scores()
    kept.checks = scores.checks
    for scored in scores.scored:
        resolved = inputs.truth[scored.method.partition(".")[0]].resolved.tolist()
        kept.add(scored.evaluation, scored.method, scored.values, _where(resolved, scored.statuses))
    return kept


def _where(resolved: Sequence[bool], statuses: Sequence[str]) -> list[str]:
    return [s if known else "undefined" for known, s in zip(resolved, statuses, strict=True)]
