"""The stage that computes what cells contribute: a shard's images, one after another."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam.core.seeding import Noise
from faithcam.results import io as tables
from faithcam.results.checks import Outcomes
from faithcam.running.references import backgrounds, train_mean
from faithcam.running.shard import Batch, Shard, open_shard
from faithcam.truth.admission import contributions_of_parts
from faithcam.truth.contributions import Truth
from faithcam.truth.game import Game
from faithcam.truth.sampling import Sampling
from faithcam.truth.shapley import shapley
from faithcam.truth.tables import ADMISSION_PARTS, ADMISSION_PARTS_KEY, TRUTH, TRUTH_KEY

OF_IMAGES = ("reliability", "resolved", "permutations", "score", "reference_score")


def truth_of_shard(wildcards: Any, files: Any, settings: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Open a shard and compute what the cells of its images contribute.

    Args:
        wildcards: see :func:`faithcam.running.shard.open_shard`.
        files: see there.
        settings: see there, and :func:`computed`.
    """
    return computed(open_shard(wildcards, files, settings), settings)


@torch.inference_mode()
def computed(shard: Shard, settings: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Return what the cells of a shard's images contribute, for each estimand.

    Every image is in a batch of its own, so that shards may have any size.

    Args:
        shard: the model and its images.
        settings: what :meth:`faithcam.experiment.evaluations.Plan.truth_settings` returns.

    Returns:
        ``truth`` (``TRUTH``), ``checks`` (``CHECKS``) and ``admission`` (``ADMISSION_PARTS``), the
        last one without rows where parts cannot be rendered away.

    Raises:
        FaithcamError: if a law is broken.
    """
    estimands, names = settings["estimands"], set(settings["estimands"])
    patches = settings["patches"]
    fixed: dict[str, Any] = {
        "multi_label": shard.multi_label,
        "patches": patches,
        "channels": shard.dataset.channels,
        "memory_mb": settings["memory_mb"],
    }
    if "features" in names or (patches and "background" in names):
        fixed["mean_activations"] = shard.mean_activations(shard.model, "train")
    if "train_mean" in names:
        fixed["train_mean"] = train_mean(shard)
    sampling = Sampling(**settings["sampling"])
    rows = tables.Collector(TRUTH, TRUTH_KEY)
    parts = tables.Collector(ADMISSION_PARTS, ADMISSION_PARTS_KEY)
    outcomes = Outcomes(shard.identity)
    for batch in replace(shard, batch_size=1).batches():
        game = _game(shard, batch, fixed)
        identity = {
            **asdict(shard.identity),
            "image_id": batch.image_ids,
            "class": batch.predicted.tolist(),
        }
        changes = _changes(shard, batch, game)
        for estimand in estimands:
            truth, checks = shapley(game, estimand, sampling)
            outcomes.add(checks, batch.image_ids)
            columns = {**identity, "estimand": estimand}
            rows.add(1, {**columns, **_of_image(batch, truth)})
            if changes is not None:
                _add_parts(parts, columns, shard, truth, *changes)
        print(f"image {batch.image_ids[0]}", flush=True)
    return {"truth": rows.table(), "checks": outcomes.table(), "admission": parts.table()}


def _game(shard: Shard, batch: Batch, fixed: Mapping[str, Any]) -> Game:
    renderings = []
    if shard.dataset.renderings is not None:
        renderings = [shard.tensor(shard.dataset.renderings_of(batch.image_ids)[:, 0])]
    return Game(
        shard.model,
        batch.images,
        batch.predicted,
        Noise(shard.streams, batch.image_ids, shard.device),
        renderings=renderings,
        backgrounds=backgrounds(shard, batch.image_ids, "truth backgrounds"),
        **fixed,
    )


def _of_image(batch: Batch, truth: Truth) -> dict[str, Any]:
    height, width = truth.values.shape[1:]
    return {
        "label": batch.labels.tolist(),
        "predicted": batch.answers.tolist(),
        "correct": batch.correct.tolist(),
        "height": height,
        "width": width,
        "values": truth.values.flatten(1).tolist(),
        "first_half": truth.halves[0].flatten(1).tolist(),
        "second_half": truth.halves[1].flatten(1).tolist(),
        **{name: getattr(truth, name).tolist() for name in OF_IMAGES},
    }


def _changes(shard: Shard, batch: Batch, game: Game) -> tuple[Tensor, Tensor] | None:
    """Return the masks of an image's parts, (1, P, H, W), and the score's fall without each, (P,).

    None where parts cannot be rendered away.
    """
    dataset, count = shard.dataset, len(shard.dataset.parts)
    if dataset.renderings is None or dataset.part_masks is None:
        return None
    masks = torch.from_numpy(np.asarray(dataset.part_masks[batch.image_ids, :count]))
    renderings = dataset.renderings_of(batch.image_ids)
    full = 2**count - 1
    whole, *without = (
        game.score_of(game.network.activations(shard.tensor(renderings[:, index])))
        for index in (full, *(full ^ 1 << part for part in range(count)))
    )
    return masks.to(shard.device), torch.cat([whole - score for score in without])


def _add_parts(
    rows: tables.Collector,
    columns: Mapping[str, Any],
    shard: Shard,
    truth: Truth,
    masks: Tensor,
    changes: Tensor,
) -> None:
    """Add a row for each part that an image has."""
    sums = contributions_of_parts(truth.values, masks)[0]
    for place, part in enumerate(shard.dataset.parts):
        if bool(masks[0, place].any()):
            values = {"contribution": [float(sums[place])], "change": [float(changes[place])]}
            rows.add(1, {**columns, "part": part, **values})
