"""HAAS: does the network classify better when the map amplifies the image?

Source: 10.1109/ACCESS.2022.3184453 (heatmap assisted accuracy score).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.cams import registry as cams
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model, methods_of, several_labels
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.target import Target, answers
from faithcam.views import masked, normalised, scaled, size_of, statuses


def passes(config: Config, model: Model) -> int:
    """Return the heatmap-assisted images per image, at most: equal maps are judged once."""
    everything, count = methods_of(config, model), 0
    main = cams.supported(config["methods"], model.head)
    if "thesis" in config["protocols"]:
        count += len(everything)
    if "strict" in config["protocols"]:
        others = 0 if several_labels(config, model) else 2 * len(main)  # label, and raw logit
        count += others + len(everything) + 2 + ("hirescam" in everything)
    return count


METRIC = Metric(
    "HAAS",
    larger_is_better=True,
    source="10.1109/ACCESS.2022.3184453",
    range=(0, 1),
    passes=passes,
    primary="class=predicted",
    needs=("protocols",),
    all_images=True,
    volumes=True,
    several_labels=True,
    binary=True,
)


def heatmap_assisted(images: Tensor, maps: Tensor) -> Tensor:
    """Return the heatmap-assisted images clip(x (1 + m), -1, 1).

    Args:
        images: x, (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        maps: m, (N, H, W) or (N, S, H, W), ``scaled`` or ``normalised`` view; a map of zeros
            changes nothing.

    Returns:
        Images like ``images``.

    Raises:
        ValueError: if the maps do not have the images' size.
    """
    expected = (len(images), *size_of(images))
    if maps.shape != expected:
        raise ValueError(
            f"maps {tuple(maps.shape)} found, expected {expected} for images {tuple(images.shape)}"
        )
    return masked(images, 1 + maps).clamp(-1, 1)


def assisted_statuses(statuses: list[str], maps: Tensor) -> list[str]:
    """Return the statuses of maps as amplifiers: a constant one has no ranks, but amplifies, too.

    Args:
        statuses: of :func:`faithcam.views.statuses`.
        maps: (N, *cells); those that are not finite stay undefined.
    """
    finite = maps.flatten(1).isfinite().all(1).tolist()
    return [
        "ok" if status == "undefined" and fine else status
        for status, fine in zip(statuses, finite, strict=True)
    ]


def _shuffled(shard: Shard, batch: Batch, raw: Tensor) -> Tensor:
    """Return raw maps (B, *cells) with their cells in a keyed random order."""
    flat = raw.flatten(1)
    orders = [
        shard.streams.generator(i, "haas shuffle").permutation(flat.shape[1])
        for i in batch.image_ids
    ]
    index = torch.from_numpy(np.stack(orders)).to(raw.device)
    return flat.gather(1, index).reshape(raw.shape)


class _Judge:
    """Classifies a batch's heatmap-assisted images; equal maps are judged once."""

    def __init__(self, shard: Shard, batch: Batch, rows: ScoreRows) -> None:
        self._model, self._batch, self._rows = shard.model, batch, rows
        self._several = shard.several
        self._judged: list[tuple[Tensor, Tensor]] = []

    def _predicted(self, view: Tensor) -> Tensor:
        for other, predicted in self._judged:
            if torch.equal(view, other):
                return predicted
        logits = self._model.logits(
            self._model.activations(heatmap_assisted(self._batch.images, view))
        )
        predicted = answers(logits, self._batch.predicted, several=self._several)
        self._judged.append((view, predicted))
        return predicted

    def add(
        self, protocol: str, setting: dict[str, str], method: str, view: Tensor, status: list[str]
    ) -> None:
        """Add the outcomes of one map per image, (B, H, W) or (B, S, H, W)."""
        batch, predicted = self._batch, self._predicted(view)
        status = assisted_statuses(status, view)
        if protocol == "strict":
            kept = tables.setting(**setting, outcome="kept")
            self._rows.add(batch, protocol, kept, method, predicted == batch.answers, status)
        text = tables.setting(**setting)
        self._rows.add(batch, protocol, text, method, predicted == batch.labels, status)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score all methods of a shard: 1 where the heatmap-assisted image is classified correctly.

    With several labels per image: where the label explained is detected.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: the config's ``protocols`` and ``haas``, and ``controls``: those of the methods
            whose strict maps explain the predicted class alone.
    """
    protocols, controls = settings["protocols"], settings["controls"]
    rows = ScoreRows(shard, "haas")
    for batch in shard.batches():
        judge = _Judge(shard, batch, rows)
        if "thesis" in protocols:
            _score_thesis(maps, batch, judge)
        if "strict" in protocols:
            constant = settings["haas"]["strict"]["constant"]
            _score_strict(shard, maps, batch, constant, controls, judge)
    return rows.table()


def _score_thesis(maps: ShardMaps, batch: Batch, judge: _Judge) -> None:
    size = size_of(batch.images)
    for method in maps.methods:
        raw = maps.of(batch, method, "label", "logit")
        judge.add("thesis", {"class": "label"}, method, scaled(raw, size), statuses(raw, "scaled"))


def _score_strict(
    shard: Shard,
    maps: ShardMaps,
    batch: Batch,
    constant: float,
    controls: Sequence[str],
    judge: _Judge,
) -> None:
    size = size_of(batch.images)
    explained: list[tuple[str, Target]] = [("predicted", "centred")]
    if not shard.several:  # else there is one class, and one score of it
        explained += [("label", "centred"), ("predicted", "logit")]
    for target, gauge in explained:
        facts = {"class": target} | ({"gauge": "logit"} if gauge == "logit" else {})
        primary = (target, gauge) == ("predicted", "centred")
        for method in [m for m in maps.methods if m not in controls or primary]:
            raw = maps.of(batch, method, target, gauge)
            judge.add("strict", facts, method, normalised(raw, size), statuses(raw, "signed"))
    predicted = {"class": "predicted"}
    blank = batch.images.new_zeros((len(batch.images), *size))
    ok = ["ok"] * len(blank)
    judge.add("strict", predicted, "null_blank", blank, ok)
    judge.add("strict", predicted, "null_constant", blank + constant, ok)
    if "hirescam" in maps.methods:
        raw = maps.of(batch, "hirescam", "predicted", "centred")
        view = normalised(_shuffled(shard, batch, raw), size)
        judge.add("strict", predicted, "null_shuffled", view, statuses(raw, "signed"))
