"""How far the maps of moved images are from the maps of the images: what sensitivities are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from faithcam.explain import Explainable, maps_of
from faithcam.metrics.ranks import ranks, spearman
from faithcam.target import Target, answers
from faithcam.views import View, scaled, size_of


def moved(images: Tensor, radius: float, noise: Tensor, *, clip: bool) -> Tensor:
    """Return x + r u, clipped to [-1, 1] or not, like the images."""
    noisy = images + radius * noise
    return noisy.clamp_(-1, 1) if clip else noisy


class Sensitivity:
    """How far the maps of noisy images are from the maps of the images.

    All methods and targets share each noisy image's one forward pass.

    Args:
        model: a network in eval mode.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: the class explained, fixed for all noisy images, (N,).
        methods: names of map methods.
        view: ``scaled`` (ReLU, min-max, image resolution) or ``signed`` (raw, native cells).
        targets: scores that are explained, see :func:`faithcam.explain.explain`.
        given: what methods need beside activations and gradients, see
            :func:`faithcam.explain.maps_of`.
        several: whether an image has several labels: a flip is then one of the class explained.

    Attributes:
        raw: raw maps of the images, by target and method, (N, h, w) each.

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
        targets: Sequence[Target],
        given: Mapping[str, Any] | None = None,
        *,
        several: bool = False,
    ) -> None:
        if view not in ("scaled", "signed"):
            raise ValueError(f"view: {view!r} found, expected 'scaled' or 'signed'")
        self._model, self._classes, self._view, self._given = model, classes, view, given
        self._size, self._several = size_of(images), several
        activations = model.activations(images)
        self._answers = self._answers_of(activations)
        self.raw = {t: maps_of(model, activations, classes, methods, t, given) for t in targets}
        self._maps = {(t, m): self._seen(x) for t in targets for m, x in self.raw[t].items()}
        self._ranks = {k: ranks(x) for k, x in self._maps.items()} if view == "signed" else {}
        self._worst: dict[tuple[str, Target, str, str], Tensor] = {}
        self._flips: dict[str, list[Tensor]] = {}

    def _answers_of(self, activations: Tensor) -> Tensor:
        logits = self._model.logits(activations)
        return answers(logits, self._classes, several=self._several)

    def _seen(self, raw: Tensor) -> Tensor:
        return scaled(raw, self._size) if self._view == "scaled" else raw

    def add(self, run: str, noisy: Tensor, methods: Mapping[Target, Sequence[str]]) -> None:
        """Compare one noisy version of the images, as a further sample of a run.

        Args:
            run: its name.
            noisy: like the images.
            methods: whose maps are compared, by target.
        """
        activations = self._model.activations(noisy)
        self._flips.setdefault(run, []).append(self._answers_of(activations) != self._answers)
        for target, names in methods.items():
            found = maps_of(self._model, activations, self._classes, names, target, self._given)
            for method, raw in found.items():
                key = (target, method)
                seen = self._seen(raw)
                change = (seen - self._maps[key]).flatten(1).double().norm(dim=1)
                self._raise((run, *key, "absolute"), change)
                if self._view == "signed":
                    self._raise((run, *key, "rank"), 1 - spearman(self._ranks[key], ranks(seen)))

    def _raise(self, key: tuple[str, Target, str, str], value: Tensor) -> None:
        self._worst[key] = torch.maximum(self._worst.get(key, value), value)

    def found(self, run: str, target: Target) -> dict[str, dict[str, Tensor]]:
        """Return a run's results, see :func:`max_sensitivity`."""
        flips = torch.stack(self._flips[run]).double().mean(0)
        result = {}
        for method in self.raw[target]:
            if (run, target, method, "absolute") not in self._worst:
                continue
            absolute = self._worst[run, target, method, "absolute"]
            norm = self._maps[target, method].flatten(1).double().norm(dim=1)
            relative = torch.where(norm == 0, torch.nan, absolute / norm)
            result[method] = {"absolute": absolute, "relative": relative, "flips": flips}
            if self._view == "signed":
                result[method]["rank"] = self._worst[run, target, method, "rank"]
        return result
