"""Distances of maps of moved images from maps of the images: sensitivities are made of them."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from faithcam.core.explained import ExplainedScore, answers
from faithcam.core.ranks import ranks, spearman
from faithcam.core.views import View, scaled, size_of
from faithcam.maps.explain import Explainable, maps_of

Versions = dict[str, Tensor]  # of how far a map is from another one: absolute, relative, rank


def moved(images: Tensor, radius: float, noise: Tensor, *, clip: bool) -> Tensor:
    """Return x + r u, clipped to [-1, 1] or not, like the images."""
    noisy = images + radius * noise
    return noisy.clamp_(-1, 1) if clip else noisy


class Sensitivity:
    """Distances of the maps of noisy images from the maps of the images.

    All methods and targets share each noisy image's one forward pass.

    Args:
        model: a network in eval mode.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: the class explained, fixed for all noisy images, (N,).
        methods: names of map methods.
        view: ``scaled`` (ReLU, min-max, image resolution) or ``signed`` (raw, native cells).
        targets: scores that are explained, see :func:`faithcam.maps.explain.explain`.
        given: what methods need beside activations and gradients, see
            :func:`faithcam.maps.explain.maps_of`.
        multi_label: whether an image has several labels: a flip is then one of the class explained.

    Attributes:
        raw: raw maps of the images, by explained score and method, (N, h, w) each.

    Raises:
        ValueError: if the view is unknown.
    """

    def __init__(
        self,
        model: Explainable,
        images: Tensor,
        classes: Tensor,
        methods: Sequence[str],
        view: View,
        explained_scores: Sequence[ExplainedScore],
        given: Mapping[str, Any] | None = None,
        *,
        multi_label: bool = False,
    ) -> None:
        if view not in ("scaled", "signed"):
            raise ValueError(f"view: {view!r} found, expected 'scaled' or 'signed'")
        self._model, self._classes, self._view, self._given = model, classes, view, given
        self._size, self._multi_label = size_of(images), multi_label
        activations = model.activations(images)
        self._answers = self._answers_of(activations)
        self.raw = {
            t: maps_of(model, activations, classes, methods, t, given) for t in explained_scores
        }
        self._maps = {
            (t, m): self._seen(x) for t in explained_scores for m, x in self.raw[t].items()
        }
        self._norms = {k: x.flatten(1).double().norm(dim=1) for k, x in self._maps.items()}
        self._ranks = {k: ranks(x) for k, x in self._maps.items()} if view == "signed" else {}
        self._worst: dict[Hashable, dict[tuple[ExplainedScore, str], Versions]] = {}
        self._flips: dict[Hashable, list[Tensor]] = {}

    def _answers_of(self, activations: Tensor) -> Tensor:
        logits = self._model.logits(activations)
        return answers(logits, self._classes, multi_label=self._multi_label)

    def _seen(self, raw: Tensor) -> Tensor:
        return scaled(raw, self._size) if self._view == "scaled" else raw

    def changes(
        self, noisy: Tensor, methods: Mapping[ExplainedScore, Sequence[str]]
    ) -> tuple[Tensor, dict[tuple[ExplainedScore, str], Versions]]:
        """Return how one noisy version of the images differs from them.

        Args:
            noisy: like the images.
            methods: whose maps are compared, by explained score.

        Returns:
            Whether the answer is another one, (N,) bool. By explained score and method, (N,)
            float64 each: ``absolute``, norm2(view(noisy) - view(image)); ``relative``, divided by
            norm2(view(image)), NaN if that is 0; ``rank``, 1 - Spearman, for the signed view only.
        """
        activations, by_map = self._model.activations(noisy), {}
        for explained_score, names in methods.items():
            maps = maps_of(
                self._model, activations, self._classes, names, explained_score, self._given
            )
            for method, raw in maps.items():
                key, seen = (explained_score, method), self._seen(raw)
                absolute = (seen - self._maps[key]).flatten(1).double().norm(dim=1)
                norm = self._norms[key]
                relative = torch.where(norm == 0, torch.nan, absolute / norm)
                by_map[key] = {"absolute": absolute, "relative": relative}
                if self._view == "signed":
                    by_map[key]["rank"] = 1 - spearman(self._ranks[key], ranks(seen))
        return self._answers_of(activations) != self._answers, by_map

    def add(
        self, run: Hashable, noisy: Tensor, methods: Mapping[ExplainedScore, Sequence[str]]
    ) -> None:
        """Compare one noisy version of the images, as a further sample of a run.

        Args:
            run: names it.
            noisy: see :meth:`changes`.
            methods: see there.
        """
        flips, changes = self.changes(noisy, methods)
        self._flips.setdefault(run, []).append(flips)
        worst = self._worst.setdefault(run, {})
        for key, versions in changes.items():
            known = worst.get(key, versions)
            worst[key] = {v: torch.maximum(known[v], change) for v, change in versions.items()}

    def flips(self, run: Hashable) -> Tensor:
        """Return the share of a run's samples that change the answer, (N,) float64."""
        return torch.stack(self._flips[run]).double().mean(0)

    def worst(self, run: Hashable, explained_score: ExplainedScore) -> dict[str, Versions]:
        """Return the largest change over a run's samples, by method, see :meth:`changes`."""
        return {
            m: versions for (t, m), versions in self._worst[run].items() if t == explained_score
        }
