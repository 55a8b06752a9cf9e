"""HAAS: does the network classify better when the map amplifies the image?

Source: 10.1109/ACCESS.2022.3184453 (heatmap assisted accuracy score).
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from faithcam.core.explained import ExplainedScore, answers
from faithcam.core.views import normalised, scaled, size_of, statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.assisted import assisted_statuses, heatmap_assisted
from faithcam.metrics.inputs import Inputs, Scores


def haas(
    network: nn.Module, images: Tensor, labels: Tensor, maps: Tensor, *, multi_label: bool = False
) -> Tensor:
    """Return 1 where the heatmap-assisted image is classified correctly, (N,) float64.

    Args:
        network: images -> logits, in eval mode.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        labels: true classes, (N,).
        maps: at image resolution, see
            :func:`faithcam.metrics.faithfulness.assisted.heatmap_assisted`.
        multi_label: whether an image has any number of the classes: whether the label is detected.
    """
    return (_answers(network, images, labels, maps, multi_label=multi_label) == labels).double()


def _answers(
    network: nn.Module, images: Tensor, classes: Tensor, maps: Tensor, *, multi_label: bool
) -> Tensor:
    return answers(network(heatmap_assisted(images, maps)), classes, multi_label=multi_label)


def score(inputs: Inputs, evaluations: Sequence[Evaluation], *, constant: float) -> Scores:
    """Score all methods: 1 where the heatmap-assisted image is classified correctly.

    With several labels per image: where the label explained is detected.

    Args:
        inputs: images and maps.
        evaluations: what is asked; with ``outcome=kept`` whether the answer stays what it is.
        constant: what the null map ``null_constant`` is everywhere.
    """
    scores, judge = Scores(), _Judge(inputs)
    classes = inputs.classes
    labels = classes if inputs.labels is None else inputs.labels
    kept = classes if inputs.answers is None else inputs.answers
    for protocol, view_of in (("thesis", _thesis), ("strict", _strict)):
        for (explained_class, explained_score), asked in grouped(
            evaluations, "explained_class", "explained_score", protocol=protocol
        ).items():
            for method in methods_of(asked):
                if method in ("null_blank", "null_constant"):
                    view = inputs.images.new_zeros((len(inputs.images), *size_of(inputs.images)))
                    view, status = view + constant * (method == "null_constant"), None
                else:
                    view, seen = view_of(inputs, method, explained_class, explained_score)
                    status = assisted_statuses(seen, view)
                said = judge.answers(view)
                for evaluation in asked:
                    if method in evaluation.methods:
                        right = kept if "outcome" in evaluation.setting else labels
                        scores.add(evaluation, method, (said == right).double(), status)
    return scores


def _thesis(
    inputs: Inputs, method: str, explained_class: str, explained_score: str
) -> tuple[Tensor, list[str]]:
    """Return the view of a method's maps, and statuses."""
    raw = inputs.maps.of(method, explained_class, "logit")
    return scaled(raw, size_of(inputs.images)), statuses(raw, "scaled")


def _strict(
    inputs: Inputs, method: str, explained_class: str, explained_score: str
) -> tuple[Tensor, list[str]]:
    """Return the same of the strict protocol; ``null_shuffled`` is HiResCAM's cells shuffled."""
    shuffled = method == "null_shuffled"
    named = "hirescam" if shuffled else method
    raw = inputs.maps.of(named, explained_class, cast(ExplainedScore, explained_score or "centred"))
    cells = _shuffled(inputs, raw) if shuffled else raw
    return normalised(cells, size_of(inputs.images)), statuses(raw, "signed")


def _shuffled(inputs: Inputs, raw: Tensor) -> Tensor:
    """Return raw maps (N, *cells) with their cells in a keyed random order."""
    flat, noise = raw.flatten(1), inputs.noise
    orders = [
        noise.streams.generator(i, "haas shuffle").permutation(flat.shape[1])
        for i in noise.image_ids
    ]
    index = torch.from_numpy(np.stack(orders)).to(raw.device)
    return flat.gather(1, index).reshape(raw.shape)


class _Judge:
    """Answers to heatmap-assisted images; equal maps are judged once."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._judged: list[tuple[Tensor, Tensor]] = []

    def answers(self, view: Tensor) -> Tensor:
        """Return what the network answers, (N,), when maps of the images' size amplify them."""
        for other, said in self._judged:
            if torch.equal(view, other):
                return said
        x = self._inputs
        said = _answers(x.network, x.images, x.classes, view, multi_label=x.multi_label)
        self._judged.append((view, said))
        return said
