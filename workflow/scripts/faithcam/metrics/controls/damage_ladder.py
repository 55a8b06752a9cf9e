"""Damage ladders: HiResCAM made worse step by step, and what the metrics say to that.

Only the arrangement of HiResCAM's values is damaged: every damaged map has its histogram. How much
a step damages is told by feature-space AOPC and by AOPC with re-rendered images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faithcam.core.seeding import Noise
from faithcam.core.views import normalised, size_of, statuses
from faithcam.maps import explain
from faithcam.maps.arrangement import mixed, rearranged
from faithcam.maps.methods.hirescam import hirescam
from faithcam.maps.methods.smoothness import dct, inverse_dct
from faithcam.metrics.evaluation import Evaluation, grouped
from faithcam.metrics.faithfulness.assisted import heatmap_assisted
from faithcam.metrics.faithfulness.curves import aopc_of, drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.robustness.sensitivity import moved
from faithcam.removal.grid import grid
from faithcam.removal.orders import additive_drops, order_of

LADDERS = ("noise", "shift", "inversion")
DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right


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
        cls, noise: Noise, cells: tuple[int, int], steps: Sequence[float], draws: int
    ) -> "Damages":
        """Return the keyed damages of images whose maps have (h, w) cells."""

        def numbers(purpose: str, shape: tuple[int, ...]) -> Tensor:
            purpose = f"damage ladder {purpose}"
            return torch.stack([noise.uniform(purpose, d, shape) for d in range(draws)])

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
        damaged = [maps]
        for share in self.steps:
            damaged += [mixed(maps, part, share) for part in noise]
            damaged += [shifted(maps, share, direction) for direction in DIRECTIONS]
            damaged += [inverted(maps, keys, share) for keys in self.keys]
        result = rearranged(maps.repeat(len(damaged), 1, 1), torch.cat(damaged))
        return result.reshape(len(damaged), *maps.shape)

    def variants(self, ladder: str, step: int, draw: int) -> Tensor:
        """Return which of the maps of :meth:`apply` a draw takes for each image, (N,)."""
        first = self.names().index((ladder if step else "", step, 0))
        if step and ladder == "shift":
            return first + self.directions[draw]
        return torch.full_like(self.directions[0], first + draw)


def score(
    inputs: Inputs,
    evaluations: Sequence[Evaluation],
    *,
    steps: Sequence[float],
    imputer: str,
    radius: float,
    samples: int,
) -> Scores:
    """Score HiResCAM and its damaged versions: strict protocol, native cells, predicted class.

    Args:
        inputs: of a network with a Flatten head; ``renderings`` for the metric ``rerendered``.
        evaluations: what is asked.
        steps: shares of damage, of the steps from 1 on.
        imputer: of AOPC.
        radius: of Max-Sensitivity.
        samples: of Max-Sensitivity.
    """
    scores = Scores()
    A = inputs.network.activations(inputs.images)
    gradients = explain.gradients(inputs.network, A, inputs.classes, "centred")
    raw = hirescam(A, gradients)
    draws = 1 + max(int(evaluation.setting["draw"]) for evaluation in evaluations)
    damages = Damages.of(inputs.noise, (raw.shape[1], raw.shape[2]), steps, draws)
    maps, status = damages.apply(raw), statuses(raw, "signed")
    by_metric = {name: asked for (name,), asked in grouped(evaluations, "metric").items()}
    imputers = {"aopc": imputer, "rerendered": "rerendered"}
    by_map = _removed(inputs, maps, {m: i for m, i in imputers.items() if m in by_metric})
    if "haas" in by_metric:
        by_map["haas"] = _assisted(inputs, maps)
    if "max_sensitivity" in by_metric:
        by_map["max_sensitivity"] = _moved(inputs, gradients, damages, maps, radius, samples)
    for metric, asked in by_metric.items():
        for evaluation in asked:
            setting = evaluation.setting
            variants = damages.variants(
                setting["ladder"], int(setting["step"]), int(setting["draw"])
            )
            values = by_map[metric].gather(0, variants[None])[0]
            for method in evaluation.methods:
                scores.add(evaluation, method, values, status)
    return scores


def _removed(inputs: Inputs, maps: Tensor, imputers: dict[str, str]) -> dict[str, Tensor]:
    """Return what removes cells in the order of maps (V, N, h, w): {metric: (V, N)}.

    Args:
        inputs: the images.
        maps: the first ones undamaged.
        imputers: by metric; AOPC in feature space needs none.
    """
    images, cells = inputs.images, tuple(maps.shape[2:])
    ties = inputs.noise.uniform("aopc ties", 0, (cells[0] * cells[1],))
    orders = [order_of(part.flatten(1), ties) for part in maps]
    feature = [aopc_of(additive_drops(maps[0].flatten(1), order)) for order in orders]
    by_metric = {"feature_aopc": torch.stack(feature)}
    if imputers:
        regions = grid(size_of(images), cells)
        fills = [inputs.replacements(name, regions=regions)[0] for name in imputers.values()]
        logits = inputs.removal.logits(images, orders, regions, fills)
        aopcs = aopc_of(drops(logits, inputs.classes, "probability"))
        by_metric |= zip(imputers, aopcs.unbind(1), strict=True)
    return by_metric


def _assisted(inputs: Inputs, maps: Tensor) -> Tensor:
    """Return 1 where the heatmap-assisted image keeps its prediction: (V, N)."""
    hits = []
    for part in maps:
        view = normalised(part, size_of(inputs.images))
        logits = inputs.network(heatmap_assisted(inputs.images, view))
        hits.append(logits.argmax(1) == inputs.classes)
    return torch.stack(hits).double()


def _moved(
    inputs: Inputs, gradients: Tensor, damages: Damages, maps: Tensor, radius: float, samples: int
) -> Tensor:
    """Return relative Max-Sensitivity, the maps of all noisy images damaged alike: (V, N)."""
    worst = torch.zeros(maps.shape[:2], dtype=torch.float64, device=maps.device)
    shape = tuple(inputs.images.shape[1:])
    for draw in range(samples):
        noise = inputs.noise.symmetric("max_sensitivity strict 0", draw, shape)
        noisy = moved(inputs.images, radius, noise, clip=True)
        changed = damages.apply(hirescam(inputs.network.activations(noisy), gradients))
        worst = torch.maximum(worst, (changed - maps).flatten(2).double().norm(dim=2))
    norm = maps.flatten(2).double().norm(dim=2)
    return torch.where(norm == 0, torch.nan, worst / norm)
