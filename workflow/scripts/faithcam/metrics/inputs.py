"""Inputs and scores of every metric: tensors of some images.

A metric is a function ``score(inputs, evaluations, **options) -> Scores`` of its file. It knows no
job, no config and no file: in a notebook, :class:`Inputs` of a network, images, classes and maps
are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from torch import Tensor

from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Noise
from faithcam.maps.explain import maps_of, shared_of
from faithcam.metrics.evaluation import Evaluation
from faithcam.models.camnet import CamNet
from faithcam.removal.engine import Removal
from faithcam.removal.grid import Regions
from faithcam.removal.imputers import replacements
from faithcam.results.laws import Check
from faithcam.truth.contributions import Truth

T = TypeVar("T")
# of further tables by name: a pyarrow.Schema, and the columns that name a row
Schemas = dict[str, tuple[Any, tuple[str, ...]]]


class Maps(Protocol):
    """Raw maps of some images."""

    def of(self, method: str, explained_class: str, explained_score: ExplainedScore) -> Tensor:
        """Return a method's raw maps, (N, h, w) or (N, S, h, w).

        Args:
            method: its name.
            explained_class: which class is explained: ``predicted`` or ``label``.
            explained_score: which score of it.
        """


class GivenMaps:
    """Maps by name, the same whatever class and score is explained."""

    def __init__(self, maps: Mapping[str, Tensor]) -> None:
        self._maps = maps

    def of(self, method: str, explained_class: str, explained_score: ExplainedScore) -> Tensor:
        """Return a method's raw maps."""
        return self._maps[method]


@dataclass(frozen=True)
class Inputs:
    """Images of one network, and what scores of their maps are computed from.

    Args:
        network: in eval mode, on the images' device.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: the classes that strict metrics explain, (N,): the predicted ones; with several
            labels per image the labels.
        maps: raw maps, by method.
        noise: keyed random numbers.
        labels: true classes, (N,); the classes, if not given.
        answers: what the network says of the images, (N,): the predicted class; with several labels
            per image the label if it is detected, else -1; the classes, if not given.
        multi_label: whether an image has any number of the classes.
        channels: of the images' colours: 1 where all channels are alike, else C.
        masks: of what is to be found, by name, (N, H, W) or (N, S, H, W) bool.
        parts: names of planted parts, in the order of ``part_masks``.
        part_masks: of planted parts, then decoys, (N, P, H, W) {0, 1}.
        renderings: of the images without their parts, each like the images.
        backgrounds: training images of a draw, like the images.
        train_mean: mean of the training images at each pixel, the shape of one image.
        truth: contributions of the cells, by estimand.
        truth_of_others: what those of the network's other images say, by estimand, (N, h, w)
            (:func:`faithcam.truth.others.mean_of_others`).
        standard_images: on which the layers of networks with new weights are standardised.
        given: returns what map methods need of the images and the job beside network, activations
            and classes, for some methods and a network (:func:`faithcam.maps.explain.maps_of`).
        memory_mb: for kept activations while regions are removed.
        first: whether these are the first images of all: laws that are expensive to check are
            checked on them.
        kept: what is prepared once for a network and used for all its images.
    """

    network: CamNet
    images: Tensor
    classes: Tensor
    maps: Maps
    noise: Noise
    labels: Tensor | None = None
    answers: Tensor | None = None
    multi_label: bool = False
    channels: int = 3
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    part_masks: Tensor | None = None
    renderings: Sequence[Tensor] = ()
    backgrounds: Callable[[int], Tensor] | None = None
    train_mean: Tensor | None = None
    truth: Mapping[str, Truth] = field(default_factory=dict)
    truth_of_others: Mapping[str, Tensor] = field(default_factory=dict)
    standard_images: Tensor | None = None
    given: Callable[[Iterable[str], CamNet], dict[str, Any]] | None = None
    memory_mb: float = 1000
    first: bool = False
    kept: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is prepared once for the network: made, or kept from other images."""
        if key not in self.kept:
            self.kept[key] = make()
        value: T = self.kept[key]
        return value

    @cached_property
    def removal(self) -> Removal:
        """The network's evaluator of images that lose their regions."""
        return self.once("removal", lambda: Removal(self.network, self.memory_mb))

    def replacements(
        self, imputer: str, replicate: int = 0, draws: int = 1, regions: Regions | None = None
    ) -> list[Tensor]:
        """Return what the strict protocol puts in place of removed pixels, one per draw.

        See :func:`faithcam.removal.imputers.replacements`; where any imputer may be asked for, the
        regions that will be removed have to be told.
        """
        return replacements(
            self.images,
            imputer,
            self.noise,
            channels=self.channels,
            renderings=self.renderings,
            backgrounds=self.backgrounds,
            train_mean=self.train_mean,
            regions=regions,
            replicate=replicate,
            draws=draws,
        )

    def raw(self, methods: Iterable[str], explained_class: str = "predicted") -> dict[str, Tensor]:
        """Return raw maps of the centred logit by method."""
        return {name: self.maps.of(name, explained_class, "centred") for name in methods}

    def givens(self, methods: Iterable[str], network: CamNet | None = None) -> dict[str, Any]:
        """Return what map methods need beside network, activations and classes."""
        if self.given is None:
            return {
                "images": self.images,
                "image_ids": self.noise.image_ids,
                "streams": self.noise.streams,
            }
        return self.given(methods, network or self.network)

    def made(
        self, methods: Sequence[str], images: Tensor, network: CamNet | None = None
    ) -> dict[str, Tensor]:
        """Return the raw maps of any images that a network makes for the classes, centred logit.

        Args:
            methods: of the maps.
            images: like the inputs'.
            network: like the inputs', which is the default.
        """
        network = network or self.network
        activations = network.activations(images)
        given = {**self.givens(methods, network), "model": network, "activations": activations}
        given |= shared_of(methods, given)
        return maps_of(network, activations, self.classes, methods, "centred", given)


@dataclass(frozen=True)
class Scored:
    """Scores of one evaluation and method.

    Args:
        evaluation: which one.
        method: name of the map.
        values: (N,).
        statuses: of the maps: ok, blank_map, undefined or empty_mask.
    """

    evaluation: Evaluation
    method: str
    values: Tensor
    statuses: Sequence[str]


@dataclass(frozen=True)
class Rows:
    """Rows of a further table.

    Args:
        places: of the images that the rows are of, in the inputs.
        columns: a list has an entry for each, anything else is the same for all.
    """

    places: Sequence[int]
    columns: Mapping[str, object]


class Scores:
    """Results of a metric: scores, rows of further tables by name, and outcomes of laws."""

    def __init__(self) -> None:
        self.scored: list[Scored] = []
        self.rows: dict[str, list[Rows]] = {}
        self.checks: list[Check] = []

    def add(
        self,
        evaluation: Evaluation,
        method: str,
        values: Tensor,
        statuses: Sequence[str] | None = None,
    ) -> None:
        """Add the scores of one method, (N,); without statuses all are ok."""
        statuses = ["ok"] * len(values) if statuses is None else statuses
        self.scored.append(Scored(evaluation, method, values, statuses))

    def add_rows(self, table: str, places: Sequence[int], **columns: object) -> None:
        """Add rows of a further table, see :class:`Rows`."""
        self.rows.setdefault(table, []).append(Rows(places, columns))

    def by_method(self) -> dict[tuple[str, str], Tensor]:
        """Return the values by setting and method, as text: for a look in a notebook."""
        return {(str(s.evaluation.setting), s.method): s.values for s in self.scored}
