"""Damage ladders: HiResCAM made worse step by step, and what the metrics say to that.

Only the arrangement of HiResCAM's values is damaged: every damaged map has its histogram. How much
a step damages is told by feature-space AOPC and by AOPC with re-rendered images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.cams.methods.hirescam import hirescam
from faithcam.cams.methods.smoothness import dct, inverse_dct
from faithcam.explain import gradients
from faithcam.metrics.aopc import drops, replacements, score
from faithcam.metrics.facts import Metric
from faithcam.metrics.haas import heatmap_assisted
from faithcam.metrics.max_sensitivity import moved
from faithcam.metrics.planning import Config, Model, cells_of, definition_of, has_renderings
from faithcam.metrics.removal import Removal, additive_drops, grid, order_of
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import normalised, statuses

LADDERS = ("noise", "shift", "inversion")
DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right


def passes(config: Config, model: Model) -> int:
    """Return the passes per image, at most: removal, by re-rendered images too, of every map.

    Every map has an assisted image; all share the noisy images. Equal orders are removed once.
    """
    ladder = config["damage_ladder"]
    # two ladders have a map for every draw, shifts have four directions
    maps = len(ladder["steps"]) * (2 * ladder["draws"] + len(DIRECTIONS)) + 1
    truth = has_renderings(definition_of(config, model))
    samples = config["max_sensitivity"]["strict"]["samples"]
    return int(maps * ((1 + truth) * cells_of(config, model) + 1) + samples + 1)


METRIC = Metric(
    "Damage ladder",
    larger_is_better=True,
    source="docs/validity.md",
    range=(float("-inf"), float("inf")),
    passes=passes,
    maps="none",
    needs=("max_sensitivity", "aopc"),
    windows=True,
    compared=False,
    heads=("flatten",),
)


def _standardised(maps: Tensor) -> Tensor:
    centred = maps - maps.mean((1, 2), keepdim=True)
    spread = centred.square().mean((1, 2), keepdim=True).sqrt()
    return centred / torch.where(spread == 0, 1, spread)


def mixed(maps: Tensor, noise: Tensor, share: float) -> Tensor:
    """Return (1 - share) z(maps) + share z(noise), z: mean 0, standard deviation 1 over the cells.

    Args:
        maps: (N, h, w).
        noise: maps (N, h, w).
        share: of the noise, 0 to 1.
    """
    return (1 - share) * _standardised(maps) + share * _standardised(noise)


def shifted(maps: Tensor, share: float, direction: tuple[int, int]) -> Tensor:
    """Return maps (N, h, w) shifted cyclically by a share of half their side, in whole cells.

    Args:
        maps: (N, h, w).
        share: 0 to 1.
        direction: -1, 0 or 1 along rows and along columns.
    """
    sides = (maps.shape[1], maps.shape[2])
    steps = [
        sign * int(share * side / 2 + 0.5) for sign, side in zip(direction, sides, strict=True)
    ]
    return maps.roll(steps, (1, 2))


def inverted(maps: Tensor, keys: Tensor, share: float) -> Tensor:
    """Return maps whose ranks are reversed among a share of the cells, chosen by random keys.

    Args:
        maps: (N, h, w).
        keys: (N, h w); the cells with the smallest ones are chosen, so that a larger share chooses
            all those of a smaller one, too.
        share: 0 to 1.
    """
    flat = maps.flatten(1)
    chosen = keys.argsort(dim=1, stable=True)[:, : int(share * flat.shape[1] + 0.5)]
    values = flat.gather(1, chosen)
    order = values.argsort(dim=1, stable=True)
    reversed_values = values.scatter(1, order, values.gather(1, order.flip(1)))
    return flat.scatter(1, chosen, reversed_values).reshape(maps.shape)


def rearranged(values: Tensor, like: Tensor) -> Tensor:
    """Return the values of some maps in the arrangement of others.

    Args:
        values: maps (N, h, w) whose histograms are kept.
        like: maps (N, h, w) whose ranks are taken over; equal ones in raster order.
    """
    order = like.flatten(1).argsort(dim=1, stable=True)
    result = torch.zeros_like(values.flatten(1))
    return result.scatter(1, order, values.flatten(1).sort(1).values).reshape(values.shape)


@dataclass(frozen=True)
class Damages:
    """All damages of a batch's maps, fixed by random numbers that do not depend on the maps.

    A shift has four directions: it is made in all of them, and every draw takes one.

    Args:
        steps: shares of damage.
        signs: 1 or -1 for each DCT coefficient, (draws, N, h, w).
        keys: that choose cells, (draws, N, h w).
        directions: of the shifts, (draws, N) indices of ``DIRECTIONS``.
    """

    steps: Sequence[float]
    signs: Tensor
    keys: Tensor
    directions: Tensor

    @classmethod
    def of(
        cls, shard: Shard, batch: Batch, cells: tuple[int, int], steps: Sequence[float], draws: int
    ) -> "Damages":
        """Return the keyed damages of a batch whose maps have (h, w) cells."""

        def numbers(purpose: str, shape: tuple[int, ...]) -> Tensor:
            purpose = f"damage ladder {purpose}"
            return torch.stack([shard.uniform(batch, purpose, d, shape) for d in range(draws)])

        signs = torch.where(numbers("noise", cells) < 0.5, -1.0, 1.0)
        signs[:, :, 0, 0] = 1
        directions = (numbers("shift", (1,))[:, :, 0] * len(DIRECTIONS)).long()
        return cls(steps, signs, numbers("inversion", (cells[0] * cells[1],)), directions)

    def names(self) -> list[tuple[str, int, int]]:
        """Return ladder, step (0: undamaged) and variant of each of the maps of :meth:`apply`."""
        variants = {"noise": len(self.signs), "shift": len(DIRECTIONS), "inversion": len(self.keys)}
        return [
            ("", 0, 0),
            *(
                (ladder, step, variant)
                for step in range(1, len(self.steps) + 1)
                for ladder in LADDERS
                for variant in range(variants[ladder])
            ),
        ]

    def apply(self, maps: Tensor) -> Tensor:
        """Return maps (N, h, w) undamaged and in every variant of every step: (V, N, h, w)."""
        noise = [inverse_dct(dct(maps) * signs) for signs in self.signs]
        found = [maps]
        for share in self.steps:
            found += [mixed(maps, part, share) for part in noise]
            found += [shifted(maps, share, direction) for direction in DIRECTIONS]
            found += [inverted(maps, keys, share) for keys in self.keys]
        result = rearranged(maps.repeat(len(found), 1, 1), torch.cat(found))
        return result.reshape(len(found), *maps.shape)

    def draws(self, step: int, ladder: str) -> Tensor:
        """Return which of the variants each draw takes for each image, (draws, N)."""
        if not step:
            return torch.zeros_like(self.directions[:1])
        if ladder == "shift":
            return self.directions
        count, images = self.directions.shape
        return torch.arange(count, device=self.directions.device)[:, None].expand(-1, images)


def _removal_scores(
    shard: Shard, batch: Batch, removal: Removal, imputer: str, maps: Tensor
) -> dict[str, Tensor]:
    """Return what removes cells in the maps' order: {metric: (V, B)} of maps (V, B, h, w)."""
    images, cells = batch.images, (maps.shape[2], maps.shape[3])
    ties = shard.uniform(batch, "aopc ties", 0, (cells[0] * cells[1],))
    orders = [order_of(part.flatten(1), ties) for part in maps]
    fills = {"aopc": replacements(shard, batch, imputer, 0, 1)[0]}
    if shard.dataset.renderings is not None:
        fills["rerendered"] = replacements(shard, batch, "rerendered", 0, 1)[0]
    regions = grid((images.shape[2], images.shape[3]), cells)
    logits = removal.logits(images, orders, regions, list(fills.values()))
    scores = score(drops(logits, batch.predicted, "probability"))
    feature = torch.stack([score(additive_drops(maps[0].flatten(1), order)) for order in orders])
    return {"feature_aopc": feature, **dict(zip(fills, scores.unbind(1), strict=True))}


def _assisted(shard: Shard, batch: Batch, maps: Tensor) -> Tensor:
    """Return 1 where the heatmap-assisted image keeps its prediction: (V, B)."""
    size = (batch.images.shape[2], batch.images.shape[3])
    hits = []
    for part in maps:
        logits = shard.model(heatmap_assisted(batch.images, normalised(part, size)))
        hits.append(logits.argmax(1) == batch.predicted)
    return torch.stack(hits).double()


def _sensitivity(
    shard: Shard,
    batch: Batch,
    slopes: Tensor,
    damages: Damages,
    maps: Tensor,
    settings: dict[str, Any],
) -> Tensor:
    """Return relative Max-Sensitivity at the primary radius, all maps damaged alike: (V, B)."""
    worst = torch.zeros(maps.shape[:2], dtype=torch.float64, device=maps.device)
    shape = tuple(batch.images.shape[1:])
    for draw in range(settings["samples"]):
        noise = shard.noise(batch, "max_sensitivity strict 0", draw, shape)
        noisy = moved(batch.images, settings["primary_radius"], noise, clip=True)
        found = damages.apply(hirescam(shard.model.activations(noisy), slopes))
        worst = torch.maximum(worst, (found - maps).flatten(2).double().norm(dim=2))
    norm = maps.flatten(2).double().norm(dim=2)
    return torch.where(norm == 0, torch.nan, worst / norm)


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score HiResCAM and its damaged versions: strict protocol, native cells, predicted class.

    Args:
        shard: a model with a Flatten head and its images.
        maps: not used.
        settings: the config's ``damage_ladder``, ``aopc`` and ``max_sensitivity``.
    """
    own, imputer = settings["damage_ladder"], settings["aopc"]["strict"]["imputers"][0]
    shard = replace(shard, batch_size=min(shard.batch_size, own["images"]))  # less padding
    rows = ScoreRows(shard, "damage_ladder")
    removal = Removal(shard.model, settings["aopc"]["memory_mb"])
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        A = shard.model.activations(batch.images)
        slopes = gradients(shard.model, A, batch.predicted, "centred")
        raw = hirescam(A, slopes)
        cells = (raw.shape[1], raw.shape[2])
        damages = Damages.of(shard, batch, cells, own["steps"], own["draws"])
        damaged = damages.apply(raw)
        strict = settings["max_sensitivity"]["strict"]
        scores = {
            **_removal_scores(shard, batch, removal, imputer, damaged),
            "haas": _assisted(shard, batch, damaged),
            "max_sensitivity": _sensitivity(shard, batch, slopes, damages, damaged, strict),
        }
        _add(rows, batch, damages, scores, statuses(raw, "signed"))
    return rows.table()


def _add(
    rows: ScoreRows,
    batch: Batch,
    damages: Damages,
    scores: dict[str, Tensor],
    status: list[str],
) -> None:
    """Add a row per metric, ladder, step, draw and image, of scores (V, B)."""
    names = damages.names()
    for ladder in LADDERS:
        for step in range(len(damages.steps) + 1):
            first = names.index((ladder if step else "", step, 0))
            for draw, variants in enumerate(damages.draws(step, ladder)):
                for metric, values in scores.items():
                    setting = tables.setting(draw=draw, ladder=ladder, metric=metric, step=step)
                    chosen = values.gather(0, first + variants[None])[0]
                    rows.add(batch, "strict", setting, "hirescam", chosen, status)
